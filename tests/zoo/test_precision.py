"""Every family in float16 and int8: built, finite, and about as far from float32 as the guide says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specialize.files.resources import resource_dir
from tools import precision_table
from tools.precision_table import BEGIN, END, GUIDE, MODELS, PRECISIONS, RESULTS, measured, rows, write_guide

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
REORDERED = ("bevfusion_head.bbox:", "streampetr:after/memory_")
"""Outputs that list the best by score, which lies close together with seeded weights: rows change places."""

LEAST_COSINE = {"fp16": 0.999, "int8": 0.9}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the builds of one model a store, and take the gigabytes away afterwards."""
    root = tmp_path / "store"
    monkeypatch.setenv("SPECIALIZE_STORE", str(root))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model", MODELS)
def test_every_family_is_converted(model: str, store: Path) -> None:
    """Outputs are finite and close to float32, and the build stays within the memory of a small machine."""
    for precision in PRECISIONS:
        found = measured(model, precision, CAR42)
        assert "error" not in found, found
        assert found["peak_bytes"] <= 12 * 2**30
        losses = found["precision"]["outputs"]
        assert losses
        for name, loss in losses.items():
            if not f"{model}:{name}".startswith(REORDERED):
                assert loss["cosine"] > LEAST_COSINE[precision], (name, loss)


def test_a_failure_is_a_row(store: Path) -> None:
    """A model that does not build has its error in the table."""
    found = measured("bevformer_tny", "fp16", CAR42)
    assert "bevformer_tny" in found["error"]
    text = "\n".join(rows({MODELS[0]: {"fp16": found}}))
    assert f"| {MODELS[0]} | fp16 |" in text and "failed: " in text


def test_the_table_of_the_guide_is_that_of_the_results(tmp_path: Path) -> None:
    """Writing the table once more changes nothing, so no figure was edited by hand."""
    results: dict[str, Any] = json.loads(RESULTS.read_text())["models"]
    copy = tmp_path / "precision.md"
    copy.write_text(GUIDE.read_text())
    write_guide(results, copy)
    assert copy.read_text() == GUIDE.read_text()
    assert set(results) <= set(MODELS)


def test_writing_the_table_leaves_the_rest(tmp_path: Path) -> None:
    """Only what stands between the marks is replaced."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    write_guide({}, page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert precision_table.SCHEMA
