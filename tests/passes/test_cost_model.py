"""Whether dropping rows pays: a pooling that keeps most of its rows is left as it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.artifact.describe import left_for_cost
from specialize.passes.cost_model import cost, superseded
from specialize.rows.arrange import Packing
from tests.graphs import RAGGED, GraphMaker, assert_same, operators, specialize_proto

PIXELS, DEPTHS, CHANNELS, CELLS = 6, 40, 8, 12
POINTS = PIXELS * DEPTHS


def pooling(kept: int) -> onnx.ModelProto:
    """Return depth times features, summed into cells; all points but the first `kept` go to a waste bin.

    Most of the others go to one cell, so that a table with room for as many in every cell would be mostly empty.
    """
    g = GraphMaker()
    depth, features = g.input("depth", (DEPTHS, PIXELS, 1)), g.input("features", (1, PIXELS, CHANNELS))
    rows = g.op("Reshape", g.op("Mul", depth, features), g.const([POINTS, CHANNELS]))
    numbers = np.arange(POINTS)
    cells = np.where(numbers < kept, np.where(numbers % 4 == 0, numbers % CELLS, 1), CELLS)[:, None]
    empty = g.const(np.zeros((CELLS + 1, CHANNELS), np.float32))
    pooled = g.op("ScatterND", empty, g.const(cells), rows, reduction="add")
    return g.model(out=g.op("Slice", pooled, g.const([0]), g.const([CELLS]), g.const([0])))


def feeds() -> dict[str, np.ndarray]:
    """Return inputs of a pooling."""
    random = np.random.default_rng(0)
    shapes = {"depth": (DEPTHS, PIXELS, 1), "features": (1, PIXELS, CHANNELS)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("kept", [POINTS * 9 // 10, POINTS - 1])
def test_few_points_outside_are_not_worth_picking_the_others(kept: int) -> None:
    """Nine of ten points inside: the graph stays as it was, and the note says what picking would cost."""
    model = pooling(kept)
    made = specialize_proto(model, {}, RAGGED)
    assert made.sites == ()
    reasons = [note.reason for note in made.notes if note.verdict == "declined"]
    assert any(
        reason.startswith(f"working on {kept} of {POINTS} rows costs more than on all: ")
        for reason in reasons
    )
    assert operators(made.model) == Counter(["Mul", "Reshape", "ScatterND", "Slice"])
    assert not any(name.startswith("specialize/") for name in made.model.graph.initializers)
    assert_same(model, made.model, feeds())


def test_many_points_outside_are_dropped() -> None:
    """One of ten points inside: only those are multiplied, in the order in which they are there."""
    model = pooling(POINTS // 10)
    made = specialize_proto(model, {}, RAGGED)
    (site,) = made.sites
    assert (site.rows_before, site.pairs) == (POINTS, POINTS // 10)
    assert operators(made.model)["Gather"] == 2  # depths and features, and no third to sort them
    assert_same(model, made.model, feeds())


def _graph() -> tuple[ir.Node, ir.Node, ir.Node]:
    """Return a product, a negation that only it is read by, and a sum of both."""
    source = ir.Value(name="x", shape=ir.Shape([5, 3]), type=ir.TensorType(ir.DataType.FLOAT))
    weight = ir.Value(name="w", shape=ir.Shape([3, 4]), type=ir.TensorType(ir.DataType.FLOAT))
    product = ir.node("MatMul", [source, weight], name="product")
    negated = ir.node("Neg", [product.outputs[0]], name="negated")
    total = ir.node("Add", [product.outputs[0], negated.outputs[0]], name="total")
    for node in (product, negated, total):
        node.outputs[0].shape, node.outputs[0].type = ir.Shape([5, 4]), source.type
    return product, negated, total


def test_cost_counts_operations_and_bytes() -> None:
    """A product of 5 x 3 and 3 x 4 is 120 operations and moves 47 numbers; a view is nothing."""
    product, negated, _ = _graph()
    assert cost([product]) == 2 * 5 * 4 * 3 + 4 * 4 * (15 + 12 + 20)
    assert cost([negated]) == 20 + 4 * 4 * 40
    assert cost([ir.node("Reshape", [product.outputs[0]])]) == 0


def test_what_somebody_else_reads_is_not_superseded() -> None:
    """A node goes only if all that read it go, in whatever order they are met."""
    product, negated, total = _graph()
    assert set(superseded(total)) == {product, negated, total}
    ir.node("Exp", [product.outputs[0]])
    assert set(superseded(total)) == {negated, total}


def masked_sum(queries: int, width: int, wanted: int) -> onnx.ModelProto:
    """Return a doubling of every query of 2 cameras, of which a mask keeps `wanted`, summed over the cameras."""
    g = GraphMaker()
    x = g.input("x", (2, queries, width))
    mask = np.zeros((2, queries, 1), np.float32)
    mask[:, :wanted] = 1
    return g.model(
        out=g.op("ReduceSum", g.op("Mul", g.op("Relu", x), g.const(mask)), g.const([0]), keepdims=0)
    )


def dear(queries: int = 40_000) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Return a sum whose rows are cheaper to compute than to pick: all but one in ten are read."""
    model = masked_sum(queries, 16, queries * 9 // 10)
    random = np.random.default_rng(0)
    return model, {"x": random.standard_normal((2, queries, 16)).astype(np.float32)}


def test_a_site_that_would_cost_more_is_left_and_says_so() -> None:
    """The graph keeps its operators, the note has both costs, and the numbers stay the same."""
    model, feed = dear()
    made = specialize_proto(model, {}, RAGGED)
    assert made.sites == ()
    (note,) = (note for note in made.notes if "costs-more" in note.codes)
    assert note.reason.startswith("working on 72,000 of 80,000 rows costs more than on all: ")
    assert left_for_cost(made.notes) == {note.where}
    assert operators(made.model) == Counter(["Relu", "Mul", "ReduceSum"])
    assert_same(model, made.model, feed)


def test_every_site_can_be_asked_for() -> None:
    """The site is rewritten if the packing says so, or if the graph is to serve many vehicles; by name it is left."""
    model, feed = dear()
    for packing in (Packing(every_site=True), Packing(many=True)):
        made = specialize_proto(model, {}, packing)
        (site,) = made.sites
        assert site.pairs == 72_000
        assert_same(model, made.model, feed)
        again = specialize_proto(model, {}, replace(packing, left=frozenset({site.where})))
        assert again.sites == ()


def test_what_nobody_notices_is_no_reason_to_leave_a_site() -> None:
    """A small site is rewritten although its index tables weigh more than what falls away."""
    model, feed = dear(400)
    made = specialize_proto(model, {}, RAGGED)
    (site,) = made.sites
    assert site.pairs == 720
    assert_same(model, made.model, feed)
