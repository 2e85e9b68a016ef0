"""The page about formulations has the stored figures, which are of all sites and forms."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import formulations
from benchmarks.run import RESULTS
from specialize.compiler.tuning import Runs, candidates
from specialize.lowering.formulations import FORMULATIONS
from tools.formulations_page import MARKS, PAGE, tables

STORED = json.loads((RESULTS / "formulations.json").read_text())


def test_the_page_has_the_stored_tables() -> None:
    """The tables are written from the results; with a changed figure they would differ."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, tables(STORED))
    changed = json.loads(json.dumps(STORED))
    next(iter(changed["figures"].values()))["median_ms"]["gridsample"] += 1.0
    assert text != MARKS.filled(text, tables(changed))


def test_stored_figures_are_of_all_sites() -> None:
    """Six sites are measured on one thread, each in the formulations that sample; few are left out of large ones."""
    ending = ", 1 thread, onnxruntime"
    named = {name.removesuffix(ending) for name in STORED["figures"] if name.endswith(ending)}
    assert named == set(formulations.SITES)
    fields = {field.name for field in dataclasses.fields(formulations.Figure)}
    for name, figure in STORED["figures"].items():
        runs = candidates(*[name.rpartition(", ")[2]] * 2)
        sampling = {"gridsample", "points-first", "deform-conv"} & set(runs)
        assert figure.keys() == fields and sampling <= figure["median_ms"].keys()
        assert figure["pairs"] <= figure["longest"] <= figure["all_pairs"]


def test_a_site_is_measured_in_all_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small site has a time for every formulation and the other forms, and is added to the stored ones."""
    site = dataclasses.replace(
        formulations.SITES["bevformer_tiny"], levels=((3, 5), (2, 2)), points=2, channels=4
    )
    figure = formulations.measure(site, Runs(rounds=1, threads=1))
    others = {formulations.ALONE, formulations.REBATCHED, formulations.PADDED}
    assert figure.median_ms.keys() == set(FORMULATIONS) | others and min(figure.median_ms.values()) > 0
    assert figure.sampled_bytes == 4 * figure.samples * site.channels
    path = tmp_path / "formulations.json"
    formulations.write(path, {"first": figure})
    formulations.write(path, {"second": figure})
    assert list(json.loads(path.read_text())["figures"]) == ["first", "second"]
