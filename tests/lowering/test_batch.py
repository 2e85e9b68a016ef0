"""Rows are no batch: work with a long first axis gets an axis of size 1 in front."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.batch import AXIS_IN_FRONT, LONGEST
from specialize.passes.clean_up import tidy
from tests.graphs import GraphMaker, assert_annotations_true, random_feeds, run

ROWS = LONGEST + 36


def longest_batch(model: ir.Model) -> int:
    """Return the longest first axis of three that an operator other than Reshape computes on."""
    made = [node.outputs[0] for node in model.graph if node.op_type not in ("Reshape", "Identity")]
    return max((int(value.shape[0]) for value in made if value.shape and len(value.shape) == 3), default=0)


def test_rows_of_a_sampling_grid() -> None:
    """Offsets, reference points of every row, a weight per point and their order: none has rows as a batch."""
    g = GraphMaker()
    table = np.random.default_rng(0).normal(size=(ROWS, 1, 8))
    rows = g.op("Reshape", g.input("x", (1, ROWS, 32)), g.const([ROWS, 4, 8]))
    moved = g.op("Mul", g.op("Add", g.const(table), rows), g.const(np.array([2.0])))
    weighed = g.op("Softmax", moved, axis=1)
    turned = g.op("Transpose", weighed, perm=[1, 0, 2])
    proto = g.model(out=g.op("Reshape", turned, g.const([1, 4, ROWS, 8])))
    model = ir.from_proto(proto)
    folding.fold(model)
    assert longest_batch(model) == ROWS
    (note,) = apply(model, AXIS_IN_FRONT)
    assert note.reason == "4 operators with an axis in front"
    tidy(model)
    assert longest_batch(model) == 0
    assert sum(node.op_type == "Reshape" for node in model.graph) == 1
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
    assert_annotations_true(model, feeds)


def test_a_transpose_without_an_order_reverses_three_axes() -> None:
    """The new axis stays in front."""
    g = GraphMaker()
    proto = g.model(out=g.op("Transpose", g.input("x", (ROWS, 3, 2))))
    model = ir.from_proto(proto)
    folding.fold(model)
    assert apply(model, AXIS_IN_FRONT)
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (1, 2, 0, 3), (2, 0, 1, 3), (2, 1, 0, 3)])
def test_weights_of_points_on_four_axes(order: tuple[int, ...]) -> None:
    """Softmax and the orders that put rows behind heads never have rows in front."""
    g = GraphMaker()
    weighed = g.op("Softmax", g.input("x", (ROWS, 3, 2, 4)), axis=-1)
    proto = g.model(out=g.op("Transpose", weighed, perm=list(order)))
    model = ir.from_proto(proto)
    folding.fold(model)
    assert apply(model, AXIS_IN_FRONT)
    tidy(model)
    shapes = [node.outputs[0].shape for node in model.graph if node.op_type != "Reshape"]
    assert all(shape is not None and int(shape[0]) == 1 for shape in shapes)
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
    assert_annotations_true(model, feeds)


def test_an_order_without_a_rule_stays() -> None:
    """Rows that stay in front, and a last axis that moves, are left as they are."""
    for order in ([0, 2, 1, 3], [3, 1, 2, 0]):
        g = GraphMaker()
        model = ir.from_proto(g.model(out=g.op("Transpose", g.input("x", (ROWS, 3, 2, 4)), perm=order)))
        folding.fold(model)
        assert apply(model, AXIS_IN_FRONT) == []
        assert model.graph[0].op_type == "Transpose" and not any(n.op_type == "Reshape" for n in model.graph)


@pytest.mark.parametrize("shape", [(LONGEST, 4, 8), (ROWS, 8), (1, ROWS, 4, 8), (ROWS, 2, 4, 8)])
def test_left_alone(shape: tuple[int, ...]) -> None:
    """A real batch, and operators on elements of other than three axes, stay as they are."""
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Mul", g.input("x", shape), g.const(2.0))))
    folding.fold(model)
    assert apply(model, AXIS_IN_FRONT) == []
