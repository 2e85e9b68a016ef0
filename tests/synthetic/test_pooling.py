"""Pooling of points in every form of the field: sums over sorted points, chains of writes, one-hot products."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest
import torch

from specialize.passes.gather_sums import gather_sums
from specialize.passes.pipeline import Specialized
from specialize.visibility.grid import QueryGrid
from tests.graphs import assert_same, assert_static, operators, specialize_proto
from tests.passes.test_pooled_tables import feeds_of
from tests.synthetic.attention import GRID
from tests.synthetic.exporting import export
from tests.synthetic.pooling import Form, Sorted
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


@pytest.mark.parametrize("form", ["masked", "ends first", "written last"])
def test_sorted_points_are_sums_over_ranges(form: Form) -> None:
    """No sort, no cumulative sum, no point outside the grid: the differences are sums of the points of each cell."""
    _, made = pooled(Sorted(STYLE, form, BINS))
    assert not SORTING & set(operators(made.model))
