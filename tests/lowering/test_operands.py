"""Operands of equal rank, products for quotients, and Softmax on four axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.operands import BATCHED_WEIGHTS, OPERANDS
from tests.graphs import GraphMaker, assert_annotations_true, random_feeds, run


def lowered(maker: GraphMaker, out: str) -> tuple[ir.Model, str]:
    """Lower a graph, compare both, and return the result and what the pass said."""
    proto = maker.model(out=out)
    model = ir.from_proto(proto)
    folding.evaluate(model)
    notes = apply(model, OPERANDS)
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(model, feeds)["out"], run(proto, feeds)["out"], rtol=1e-6, atol=1e-6)
    assert_annotations_true(model, feeds)
    return model, notes[0].reason if notes else ""


def node_of(model: ir.Model, operator: str) -> ir.Node:
    """Return the only node of an operator."""
    (node,) = [node for node in model.graph if node.op_type == operator]
    return node


def ranks_of(node: ir.Node) -> list[int]:
    """Return the ranks of a node's inputs."""
    return [len(value.shape or ()) for value in node.inputs if value is not None]


def test_a_weight_gets_the_rank_of_what_it_multiplies() -> None:
    """MatMul of rank 3 with a weight of rank 2 has two operands of rank 3."""
    g = GraphMaker()
    model, said = lowered(g, g.op("MatMul", g.input("x", (2, 5, 4)), g.const(np.ones((4, 3)))))
    assert ranks_of(node_of(model, "MatMul")) == [3, 3] and said.startswith("1 weights")


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Max", "Min"])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_computed_number_gets_the_rank_of_what_it_scales(operator: str, flipped: bool) -> None:
    """A factor of one element that is computed has as many axes as the tensor it scales; constants stay."""
    g = GraphMaker()
    pair = [g.input("x", (1, 5, 4)), g.input("gate", (1,))]
    model, _ = lowered(g, g.op(operator, *(pair[::-1] if flipped else pair)))
    assert ranks_of(node_of(model, operator)) == [3, 3]
    g = GraphMaker()
    _, said = lowered(g, g.op(operator, g.input("x", (1, 5, 4)), g.const(np.ones(1))))
    assert said == ""


@pytest.mark.parametrize(("divisor", "left"), [(4.0, "Mul"), (0.0, "Div")])
def test_a_quotient_by_a_constant(divisor: float, left: str) -> None:
    """Is a product by its reciprocal, unless that does not exist."""
    g = GraphMaker()
    proto = g.model(out=g.op("Div", g.input("x", (2, 3)), g.const(divisor)))
    model = ir.from_proto(proto)
    folding.evaluate(model)
    apply(model, OPERANDS)
    assert node_of(model, left)


@pytest.mark.parametrize(("shape", "axis", "rank"), [((6, 5), 1, 4), ((2, 3, 5), -1, 4), ((2, 3, 5), 1, 3)])
def test_softmax_is_along_the_last_of_four_axes(shape: tuple[int, ...], axis: int, rank: int) -> None:
    """Softmax along the last axis is written on four axes; along another it stays."""
    g = GraphMaker()
    model, _ = lowered(g, g.op("Softmax", g.input("x", shape), axis=axis))
    node = node_of(model, "Softmax")
    assert ranks_of(node) == [rank]
    assert rank == 3 or node.attributes["axis"].as_int() == 3


@pytest.mark.parametrize(("shape", "ranks"), [((2, 5, 4), [3, 3]), ((1, 5, 4), [3, 2]), ((5, 4), [2, 2])])
def test_only_weights_of_a_batch_get_its_axes(shape: tuple[int, ...], ranks: list[int]) -> None:
    """One item, and rows without a batch, keep a weight of two axes; the product is the same."""
    g = GraphMaker()
    proto = g.model(out=g.op("MatMul", g.input("x", shape), g.const(np.arange(12.0).reshape(4, 3))))
    model = ir.from_proto(proto)
    folding.evaluate(model)
    assert len(apply(model, BATCHED_WEIGHTS)) == (ranks == [3, 3])
    assert ranks_of(node_of(model, "MatMul")) == ranks
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
