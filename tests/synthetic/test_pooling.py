"""Pooling of points in every form of the field: sums over sorted points, chains of writes, one-hot products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from specialize.passes.gather_sums import gather_sums
from specialize.passes.pipeline import Specialized
from specialize.visibility.grid import QueryGrid
from tests.graphs import assert_same, assert_static, operators, run, specialize_proto
from tests.passes.test_pooled_tables import feeds_of
from tests.synthetic.attention import GRID
from tests.synthetic.exporting import export
from tests.synthetic.pooling import Form, Sorted, Spelling, Written
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import vehicle

pytestmark = pytest.mark.torch

STYLE = replace(BASE, levels=((5, 8),), grid=QueryGrid((6, 8), GRID.range_m, 1))
BINS = 9
SORTING = frozenset({"TopK", "CumSum", "NonZero", "GatherND", "ScatterND", "ScatterElements", "Where"})


def pooled(model: torch.nn.Module, *, dynamo: bool = False) -> tuple[onnx.ModelProto, Specialized]:
    """Return an export and what is made of it for a turned vehicle, after both were found to compute the same."""
    feeds = feeds_of(STYLE, vehicle(STYLE, TURN_RAD))
    inputs = {name: torch.tensor(array) for name, array in feeds_of(STYLE, vehicle(STYLE)).items()}
    proto = export(model, inputs, 18 if dynamo else 16, dynamo=dynamo)
    made = specialize_proto(proto, {"img2lidar": feeds["img2lidar"]})
    gather_sums(made.model)
    assert_same(proto, made.model, feeds)
    assert_static(made.model)
    return proto, made


@pytest.mark.parametrize("form", ["masked", "ends first", "written last", "ends counted"])
def test_sorted_points_are_sums_over_ranges(form: Form) -> None:
    """No sort, no cumulative sum, no point outside the grid: the differences are sums of the points of each cell."""
    _, made = pooled(Sorted(STYLE, form, BINS))
    assert not SORTING & set(operators(made.model))


SPELLINGS: list[tuple[Spelling, bool]] = [
    ("scatter_add", False), ("scatter_add", True), ("index_add", True), ("index_put", True),
    ("scatter_reduce", True), ("cameras", False), ("cameras", True), ("one-hot", False), ("one-hot", True),
]  # fmt: skip
"""Spelling, and whether `torch.export` writes it; the tracing exporter refuses or loses the others."""


@pytest.mark.parametrize(("spelling", "dynamo"), SPELLINGS)
def test_every_spelling_of_an_addition_is_pooled(spelling: Spelling, dynamo: bool) -> None:
    """Whatever adds points to cells becomes sums of the points of each cell, camera by camera or not."""
    _, made = pooled(Written(STYLE, spelling, BINS), dynamo=dynamo)
    assert not SORTING & set(operators(made.model))
    sizes = [np.prod(node.outputs[0].shape.numpy()) for node in made.model.graph]  # type: ignore[union-attr]
    assert max(sizes) < STYLE.cameras * BINS * 5 * 8 * STYLE.dims
    module = Written(STYLE, spelling, BINS)
    feeds = feeds_of(STYLE, vehicle(STYLE, TURN_RAD))
    with torch.no_grad():
        wanted = module(*(torch.tensor(array) for array in feeds.values())).numpy()
    np.testing.assert_allclose(run(made.model, feeds)["out"], wanted, rtol=1e-4, atol=1e-5)


def test_additions_that_an_export_loses_are_left_alone() -> None:
    """Traced, `index_put(accumulate=True)` replaces: which of several points counts is open, and the note says so."""
    feeds = feeds_of(STYLE, vehicle(STYLE, TURN_RAD))
    inputs = {name: torch.tensor(array) for name, array in feeds_of(STYLE, vehicle(STYLE)).items()}
    made = specialize_proto(
        export(Written(STYLE, "index_put", BINS), inputs), {"img2lidar": feeds["img2lidar"]}
    )
    assert "a place is written more than once" in {note.reason for note in made.notes}
