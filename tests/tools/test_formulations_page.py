"""The page about formulations has the stored figures, which are of all sites and forms."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from benchmarks import formulations
from benchmarks.run import RESULTS
from specialize.compiler.tuning import Runs, candidates
from specialize.lowering.formulations import FORMULATIONS
from tools.formulations_page import FIGURES, MARKS, PAGE, text_of

PATHS = sorted(RESULTS.rglob(FIGURES))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(RESULTS)))
def test_the_page_has_the_stored_tables(path: Path, tmp_path: Path) -> None:
    """The tables are written from the results of all machines; with a changed figure of any they would differ."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, text_of(RESULTS))
    results = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    changed = json.loads(path.read_text())
    next(iter(changed["figures"].values()))["median_ms"]["gridsample"] += 1.0
    (results / path.relative_to(RESULTS)).write_text(json.dumps(changed))
    assert text != MARKS.filled(text, text_of(results))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(RESULTS)))
def test_stored_figures_are_of_all_sites(path: Path) -> None:
    """Six sites are measured on one thread, each in the formulations that sample; few are left out of large ones."""
    stored = json.loads(path.read_text())["figures"]
    ending = ", 1 thread, onnxruntime"
    named = {name.removesuffix(ending) for name in stored if name.endswith(ending)}
    assert named == set(formulations.SITES)
    fields = {field.name for field in dataclasses.fields(formulations.Figure)}
    for name, figure in stored.items():
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
