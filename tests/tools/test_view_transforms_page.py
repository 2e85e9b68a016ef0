"""View transforms are measured with the points that their graphs compute, and the page has the stored figures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from benchmarks import view_transforms
from benchmarks.run import RESULTS
from benchmarks.view_sites import CAR42, SITES, ViewSite, feed_of, graph_of, work_of
from benchmarks.view_transforms import ALONE, FOLDED, ORIGINAL, SPECIALIZED, SUMMED, Figure, forms_of, measure
from specialize.compiler.tuning import Runs
from tests.graphs import run
from tools.view_transforms_page import MARKS, PAGE, tables

STORED = json.loads((RESULTS / view_transforms.FILE).read_text())


def small(name: str) -> ViewSite:
    """Return a view transform with few points."""
    site = SITES[name]
    frustum = site.frustum and structs.replace(site.frustum, shape=(7, 4, 6), cells=(16, 12, 1))
    grid = site.grid and structs.replace(site.grid, shape=(2, 12, 16))
    return dataclasses.replace(site, size=(4, 6), channels=3, frustum=frustum, grid=grid)


@pytest.mark.parametrize("name", [name for name in SITES if SITES[name].kind != "embedding"])
def test_what_is_computed_is_what_the_graph_uses(name: str) -> None:
    """Of ones, a pooling adds as many as there are points in its cells; voxels that no camera sees stay zero."""
    site = small(name)
    work, fed = work_of(site), feed_of(site)
    ones = {
        key: np.ones_like(array) if key in ("features", "weights") else array for key, array in fed.items()
    }
    (bev,) = run(graph_of(site), ones).values()
    first = bev[:, 0] if site.kind == "pooling" else bev[0]
    assert np.count_nonzero(first) == work.results
    assert work.results <= work.computed < work.points == site.points()
    if site.kind == "pooling":
        assert first.sum() == work.computed == len(work.rows)


def test_a_look_up_reads_the_rows_that_are_counted() -> None:
    """The last camera that sees a voxel counts: its pixel is what the voxel takes."""
    site = small("fast-bev, look-up")
    fed, work = feed_of(site), work_of(site)
    (bev,) = run(graph_of(site), fed).values()
    rows = fed["features"].transpose(0, 2, 3, 1).reshape(-1, site.channels)[work.rows]
    np.testing.assert_array_equal(bev[:, bev.any(axis=0)].T, rows)


@pytest.mark.parametrize("name", ["bevdet, pooling", "petr, embedding"])
def test_a_view_transform_is_measured_in_all_forms(name: str, tmp_path: Path) -> None:
    """A small one is built and timed beside its bounds, and its figures are added to the stored ones."""
    site = small(name)
    subjects = forms_of(site, tmp_path)
    figure = measure(site, work_of(site), subjects, Runs(rounds=1, threads=1))
    bounds = {ALONE, SUMMED} if site.kind == "pooling" else set()
    assert (
        figure.median_ms.keys() == {ORIGINAL, FOLDED, SPECIALIZED} | bounds
        and min(figure.median_ms.values()) > 0
    )
    assert figure.faster[ORIGINAL] == 1.0 and figure.read_bytes == 4 * figure.computed * site.channels
    assert sum(figure.shares.values()) == pytest.approx(1.0, abs=0.02) and "ScatterND" not in figure.shares
    path = tmp_path / "figures.json"
    view_transforms.write(path, {"first": figure})
    view_transforms.write(path, {"second": figure})
    assert list(json.loads(path.read_text())["figures"]) == ["first", "second"]


def test_stored_figures_are_of_all_view_transforms() -> None:
    """Every one is measured on one thread and on two, with the points that car42 has now."""
    assert STORED["schema"] == view_transforms.SCHEMA and all(STORED["machine"].values()) and CAR42.is_file()
    named = {f"{name}, {threads}" for name in SITES for threads in ("1 thread", "2 threads")}
    assert set(STORED["figures"]) == named
    fields = {field.name for field in dataclasses.fields(Figure)}
    for name, figure in STORED["figures"].items():
        work = work_of(SITES[name.rpartition(", ")[0]])
        assert figure.keys() == fields
        assert (figure["points"], figure["computed"], figure["results"]) == (
            work.points,
            work.computed,
            work.results,
        )


def test_the_page_has_the_stored_tables() -> None:
    """The tables are written from the results; with a changed figure they would differ."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, tables(STORED))
    changed = json.loads(json.dumps(STORED))
    next(iter(changed["figures"].values()))["median_ms"][SPECIALIZED] += 1.0
    assert text != MARKS.filled(text, tables(changed))
