"""Every lift rule that declines says why, by a code of its own; the graph is then left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph.shape_arithmetic import PLACES_OUTSIDE
from specialize.passes.gather_sums import gather_sums
from specialize.passes.unscatter import unscatter
from tests.graphs import RAGGED, GraphMaker, check, codes, reasons, specialize_proto

CAMERAS, QUERIES, CHANNELS = 3, 10, 8
SEEN = np.array([[0, 0, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0, 1, 0], [0] * 10], dtype=np.float32)


def numbers(*shape: int) -> np.ndarray:
    """Return normally distributed float32 numbers."""
    return np.random.default_rng(list(shape)).normal(size=shape).astype(np.float32)


def rows(g: GraphMaker, *shape: int) -> str:
    """Return an input of rows, by default (cameras, queries, channels)."""
    return g.input("rows", shape or (CAMERAS, QUERIES, CHANNELS))


def scatter_elements(g: GraphMaker, indices: np.ndarray, axis: int = 1, reduction: str = "none") -> str:
    """Return rows written over rows."""
    data = g.input("data", (CAMERAS, QUERIES, CHANNELS))
    updates = g.input("updates", indices.shape)
    return g.op("ScatterElements", data, g.const(indices), updates, axis=axis, reduction=reduction)


def per_row(*queries: int) -> np.ndarray:
    """Return indices (cameras, len(queries), channels) that are the same for all features of a row."""
    return np.broadcast_to(np.array(queries)[None, :, None], (CAMERAS, len(queries), CHANNELS)).copy()


Graph = Callable[[GraphMaker], str]
"""Adds an operator whose result is (cameras, queries, channels)."""

DECLINED: dict[str, tuple[str, Graph]] = {
    "no rule": ("no-row-rule", lambda g: g.op("Hardmax", rows(g), axis=1)),
    "a cumulative sum over channels": (
        "sums-features", lambda g: g.op("CumSum", rows(g), g.const(np.array(2))),
    ),
    "a product from the left": (
        "no-weight", lambda g: g.op("MatMul", g.const(numbers(QUERIES, QUERIES)), rows(g)),
    ),
    "rows in the weight": (
        "rows-in-the-weight",
        lambda g: g.op(
            "Transpose",
            g.op("MatMul", rows(g, CAMERAS, CHANNELS, QUERIES), g.const(numbers(QUERIES, QUERIES))),
            perm=[0, 2, 1],
        ),
    ),
    "softmax along queries": ("works-along-rows", lambda g: g.op("Softmax", rows(g), axis=1)),
    "a scale that is broadcast": (
        "scale-broadcasts",
        lambda g: g.op("LayerNormalization", rows(g), g.const(numbers(1)), axis=-1),
    ),
    "a bias per row": (
        "bias-per-row",
        lambda g: g.op(
            "Reshape",
            g.op(
                "Gemm", rows(g, CAMERAS * QUERIES, CHANNELS), g.const(numbers(CHANNELS, CHANNELS)),
                g.const(numbers(CAMERAS * QUERIES, CHANNELS)),
            ),
            g.const([CAMERAS, QUERIES, CHANNELS]),
        ),
    ),
    "a transposed product": (
        "no-weight",
        lambda g: g.op(
            "Reshape",
            g.op(
                "Gemm", rows(g, CHANNELS, CAMERAS * QUERIES), g.const(numbers(CHANNELS, CHANNELS)), transA=1
            ),
            g.const([CAMERAS, QUERIES, CHANNELS]),
        ),
    ),
    "a bound from the image": (
        "shape-unknown",
        lambda g: g.op(
            "Reshape",
            g.op("Slice", rows(g, CAMERAS, QUERIES + 1, CHANNELS), g.input("start", (1,), 7), g.const([QUERIES]),
                 g.const([1])),
            g.const([CAMERAS, QUERIES, CHANNELS]),
        ),
    ),
    "an index from the image": (
        "indices-not-constant",
        lambda g: g.op("Gather", rows(g), g.input("index", (QUERIES,), 7), axis=1),
    ),
    "axes that do not match": (
        "regrouped-across-rows",
        lambda g: g.op("Reshape", rows(g, CAMERAS * CHANNELS, QUERIES), g.const([CAMERAS, QUERIES, CHANNELS])),
    ),
    "an axis repeated": (
        "repeated-axis",
        lambda g: g.op("Tile", rows(g, CAMERAS, QUERIES, CHANNELS // 2), g.const([1, 1, 2])),
    ),
    "a pad of ones": (
        "pads-not-zero",
        lambda g: g.op(
            "Pad", rows(g, CAMERAS, QUERIES - 1, CHANNELS), g.const([0, 0, 0, 0, 1, 0]), g.const(1.0)
        ),
    ),
    "a reflected pad": (
        "pads-not-zero",
        lambda g: g.op(
            "Pad", rows(g, CAMERAS, QUERIES - 1, CHANNELS), g.const([0, 0, 0, 0, 1, 0]), mode="reflect"
        ),
    ),
    "a pad that cuts": (
        "pads-negative",
        lambda g: g.op("Pad", rows(g, CAMERAS, QUERIES + 1, CHANNELS), g.const([0, 0, 0, 0, -1, 0])),
    ),
    "padded features": (
        "pads-features",
        lambda g: g.op("Pad", rows(g, CAMERAS, QUERIES, CHANNELS - 1), g.const([0, 0, 0, 0, 0, 1])),
    ),
    "rows and features picked": (
        "picks-rows-and-features",
        lambda g: g.op("Slice", rows(g, CAMERAS, 12, 12), g.const([1, 2]), g.const([11, 10]), g.const([1, 2])),
    ),
    "written per feature": (
        "indices-per-feature",
        lambda g: scatter_elements(
            g, (np.arange(QUERIES)[None, :, None] + np.arange(CHANNELS)[None, None]) % QUERIES
            + np.zeros((CAMERAS, 1, 1), np.int64),
        ),
    ),
    "written to some cameras": ("indices-cover-a-part", lambda g: scatter_elements(g, per_row(1, 2)[:2])),
    "written twice": ("written-twice", lambda g: scatter_elements(g, per_row(1, 1))),
    "the largest is kept": ("reduction", lambda g: scatter_elements(g, per_row(1, 2), reduction="mul")),
    "gathered from each item": (
        "batch-dims",
        lambda g: g.op(
            "GatherND", rows(g), g.const(np.tile(np.arange(QUERIES)[:, None], (CAMERAS, 1, 1))), batch_dims=1
        ),
    ),
    "gathered per feature": (
        "indices-per-feature",
        lambda g: g.op(
            "GatherElements", rows(g),
            g.const((per_row(*range(QUERIES)) + np.arange(CHANNELS)) % QUERIES), axis=1,
        ),
    ),
    "reduced along unknown axes": (
        "axes-not-constant",
        lambda g: g.op("ReduceSum", rows(g), g.const(np.zeros(0, np.int64)), noop_with_empty_axes=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLINED)
def test_a_rule_that_declines_says_why(name: str) -> None:
    """The reason of the operator stands behind that of the sum, with the operator's name in its text."""
    code, graph = DECLINED[name]
    g = GraphMaker()
    masked = g.op("Mul", graph(g), g.const(SEEN[..., None]))
    made = check(g.model(out=g.op("ReduceSum", masked, g.const([0]), keepdims=0)))
    assert made.sites == ()
    assert ("no-work", code) in codes(made)
    named = [found for reason in reasons(made) for found in re.findall(r"\((\w+)(?::| is| has)", reason)]
    assert named and set(named) <= {node.op_type for node in g.nodes}


OUTSIDE: dict[str, Graph] = {
    "Gather": lambda g: g.op("Gather", rows(g), g.const(np.full(QUERIES, QUERIES)), axis=1),
    "Gather, from the end": lambda g: g.op("Gather", rows(g), g.const(np.full(QUERIES, -QUERIES - 1)), axis=1),
    "GatherND": lambda g: g.op("GatherND", rows(g), g.const(np.full((CAMERAS, QUERIES, 2), QUERIES))),
    "GatherElements": lambda g: g.op(
        "GatherElements", rows(g), g.const(per_row(*range(1, QUERIES + 1))), axis=1
    ),
    "ScatterND": lambda g: g.op(
        "ScatterND", g.input("data", (CAMERAS, QUERIES, CHANNELS)), g.const(np.full((4, 2), QUERIES)),
        rows(g, 4, CHANNELS),
    ),
    "ScatterElements": lambda g: scatter_elements(g, per_row(1, QUERIES)),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_index_outside_of_its_axis_declines(name: str) -> None:
    """A node that no runtime computes is reported as such, and is not a bug."""
    g = GraphMaker()
    masked = g.op("Mul", OUTSIDE[name](g), g.const(SEEN[..., None]))
    made = specialize_proto(g.model(out=g.op("ReduceSum", masked, g.const([0]), keepdims=0)), None, RAGGED)
    assert made.sites == ()
    assert ("no-work", "places-outside") in codes(made)


@pytest.mark.parametrize("operator", ["ScatterND", "ScatterElements"])
def test_a_sum_outside_of_its_cells_is_left_alone(operator: str) -> None:
    """Adding to a cell that is not there stays the scatter that it is, with a reason."""
    g = GraphMaker()
    places = np.array([[0], [7]]) if operator == "ScatterND" else np.array([[0, 0], [7, 7]])
    axis: dict[str, Any] = {} if operator == "ScatterND" else {"axis": 0}
    written = g.op(
        operator, g.input("cells", (5, 2)), g.const(places), g.input("rows", (2, 2)), reduction="add", **axis
    )
    model = ir.from_proto(g.model(out=written))
    (note,) = gather_sums(model)
    assert (note.verdict, note.reason) == ("declined", PLACES_OUTSIDE.text)


def test_a_write_outside_of_its_axis_is_left_alone() -> None:
    """In one table of places as in a range of them."""
    g = GraphMaker()
    places = np.stack(np.meshgrid(np.arange(3), [1, 9], indexing="ij"), axis=-1)
    written = g.op("ScatterND", g.input("cells", (3, 5)), g.const(places), g.input("rows", (3, 2)))
    (note,) = unscatter(ir.from_proto(g.model(out=written)))
    assert (note.verdict, note.reason) == ("declined", PLACES_OUTSIDE.text)
