"""Differences of cumulative sums at constant places are sums over ranges of rows."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from hypothesis import given

from specialize.passes.gather_sums import gather_sums
from tests.graphs import GraphMaker, assert_same, operators, random_feeds, run, specialize_proto

ROWS, WIDTH = 40, 3


def differences(
    ends: list[int], *, exclusive: int = 0, reverse: int = 0, axis: int = 0, lead: tuple[int, ...] = ()
) -> onnx.ModelProto:
    """Return sums read at ascending places and subtracted from their neighbours, twice the rows of an input."""
    g = GraphMaker()
    shape = (*lead, ROWS, WIDTH)
    along = len(lead)
    doubled = g.op("Mul", g.input("x", shape), g.const(np.full(1, 2.0, np.float32)))
    sums = g.op("CumSum", doubled, g.const(np.array(axis)), exclusive=exclusive, reverse=reverse)
    read = g.op("Gather", sums, g.const(np.array(ends)), axis=along)
    count = len(ends)
    parts = [
        g.op("Slice", read, g.const([start]), g.const([end]), g.const([along]))
        for start, end in ((1, count), (0, count - 1))
    ]
    return g.model(out=g.op("Sub", *(parts if not reverse else parts[::-1])))


@given(
    ends=st.lists(st.integers(0, ROWS - 1), min_size=3, max_size=12).map(sorted),
    exclusive=st.sampled_from([0, 1]),
    reverse=st.sampled_from([0, 1]),
    negative=st.booleans(),
    lead=st.sampled_from([(), (2,)]),
)
def test_any_direction_and_any_places(
    ends: list[int], exclusive: int, reverse: int, negative: bool, lead: tuple[int, ...]
) -> None:
    """With and without the row itself, from either end, empty ranges among them, beside other axes."""
    axis = len(lead) - (len(lead) + 2 if negative else 0)
    proto = differences(ends, exclusive=exclusive, reverse=reverse, axis=axis, lead=lead)
    made = specialize_proto(proto)
    gather_sums(made.model)
    assert "CumSum" not in operators(made.model)
    assert_same(proto, made.model, random_feeds(proto))


def test_sums_from_the_beginning_stay() -> None:
    """Where the sums themselves are read, most rows would be summed many times: the cumulative sum is cheaper."""
    g = GraphMaker()
    sums = g.op("CumSum", g.op("Relu", g.input("x", (ROWS, WIDTH))), g.const(np.array(0)))
    read = g.op("Gather", sums, g.const(np.arange(ROWS)[::2].copy()), axis=0)
    table = g.const(np.zeros((ROWS, WIDTH), np.float32))
    places = g.const(np.arange(ROWS)[::2, None].copy())
    proto = g.model(out=g.op("ScatterND", table, places, read))
    made = specialize_proto(proto)
    assert "CumSum" in operators(made.model)
    assert_same(proto, made.model, random_feeds(proto))


def test_sums_over_features_stay() -> None:
    """A cumulative sum over channels mixes no rows; it is left as it is."""
    g = GraphMaker()
    sums = g.op("CumSum", g.op("Relu", g.input("x", (ROWS, WIDTH))), g.const(np.array(1)))
    table = g.const(np.zeros((ROWS, WIDTH), np.float32))
    proto = g.model(out=g.op("ScatterND", table, g.const(np.arange(0, ROWS, 3)[:, None].copy()), g.op(
        "Gather", sums, g.const(np.arange(0, ROWS, 3)), axis=0
    )))  # fmt: skip
    made = specialize_proto(proto)
    assert "CumSum" in operators(made.model)
    assert_same(proto, made.model, random_feeds(proto))


def test_ranges_of_known_rows_alone_are_left_alone() -> None:
    """Where a mask puts constants in all rows that are summed, there is nothing to compute from fewer rows."""
    mask = np.array([True, False, True, False, True, True])[:, None]
    g = GraphMaker()
    filled = g.op("Where", g.const(mask), g.op("Relu", g.input("x", (6, 4))), g.const(np.full((1, 4), 0.5)))
    moved = g.op("Gather", filled, g.const(np.array([0, 2, 5, 1, 3])), axis=0)
    sums = g.op("CumSum", moved, g.const(np.array(0)))
    high, low = (g.op("Gather", sums, g.const(np.array(ends)), axis=0) for ends in ([3, 4], [2, 3]))
    proto = g.model(out=g.op("Sub", high, low))
    assert_same(proto, specialize_proto(proto).model, random_feeds(proto))


def test_sums_that_something_else_reads_stay() -> None:
    """A cumulative sum that is an output is still computed, and the difference is correct as well."""
    g = GraphMaker()
    sums = g.op("CumSum", g.input("x", (ROWS, WIDTH)), g.const(np.array(0)))
    high, low = (g.op("Gather", sums, g.const(np.array(ends)), axis=0) for ends in ([7, 19, 30], [2, 7, 19]))
    proto = g.model(out=g.op("Sub", high, low), sums=sums)
    made = specialize_proto(proto)
    assert "CumSum" in operators(made.model)
    assert_same(proto, made.model, random_feeds(proto))


def test_a_large_sum_loses_nothing() -> None:
    """The sum over a range is closer to float64 than the difference of two large sums."""
    rows = 200_000
    g = GraphMaker()
    sums = g.op("CumSum", g.input("x", (rows, 1)), g.const(np.array(0)))
    high, low = (
        g.op("Gather", sums, g.const(np.array(ends)), axis=0) for ends in ([9, rows - 1], [3, rows - 4])
    )
    proto = g.model(out=g.op("Sub", high, low))
    made = specialize_proto(proto)
    x = np.random.default_rng(0).random((rows, 1), np.float32)
    (got,), (original,) = run(made.model, {"x": x}).values(), run(proto, {"x": x}).values()
    exact = x[-3:].astype(np.float64).sum()
    assert abs(got[1, 0] - exact) < 1e-6 < abs(original[1, 0] - exact)


@pytest.mark.parametrize("form", ["given", "padded"])
def test_ends_that_the_graph_is_given(form: str) -> None:
    """Ends are an index table; sums may begin with a row of zeros that is concatenated or padded."""
    g = GraphMaker()
    sums = g.op("CumSum", g.op("Relu", g.input("x", (ROWS, WIDTH))), g.const(np.array(0)))
    if form == "padded":
        begun = g.op("Pad", sums, g.const([1, 0, 0, 0]))
    else:
        begun = g.op("Concat", g.const(np.zeros((1, WIDTH), np.float32)), sums, axis=0)
    high, low = (g.op("Gather", begun, g.const(np.array(ends)), axis=0) for ends in ([0, 3, 40], [0, 0, 3]))
    proto = g.model(out=g.op("Sub", high, low))
    made = specialize_proto(proto)
    gather_sums(made.model)
    assert "CumSum" not in operators(made.model)
    assert_same(proto, made.model, random_feeds(proto))
