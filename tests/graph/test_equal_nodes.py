"""Nodes that compute the same from the same are found in a graph in which they were not merged."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph.equal_nodes import distinct, with_equals
from tests.graphs import GraphMaker


def _graph(weights: tuple[float, float], kept: tuple[int, int]) -> ir.Graph:
    """Return `sum(x * w)` twice, with weights and a number of kept axes for each."""
    make = GraphMaker()
    x = make.input("x", (2, 3))
    for weight, keepdims in zip(weights, kept, strict=True):
        product = make.op("Mul", x, make.const(np.full((2, 3), weight)))
        make.op("ReduceSum", product, make.const([1]), keepdims=keepdims)
    return ir.from_proto(make.model(out=product)).graph


@pytest.mark.parametrize(
    ("weights", "kept", "equal"),
    [((0.5, 0.5), (0, 0), "both"), ((0.5, 0.5), (0, 1), "products"), ((0.5, 0.25), (0, 0), "none")],
)
def test_equal_nodes_have_equal_inputs_and_attributes(
    weights: tuple[float, float], kept: tuple[int, int], equal: str
) -> None:
    """Constants are compared by content, nodes by operator, attributes and what they read."""
    graph = _graph(weights, kept)
    first, total, second, other, *_ = (str(node.name) for node in graph)
    assert with_equals(graph, {first}) == {first} | ({second} if equal != "none" else set())
    assert with_equals(graph, {total}) == {total} | ({other} if equal == "both" else set())
    left = {"both": [first, total], "products": [first, total, other], "none": [first, total, second, other]}
    assert [node.name for node in distinct([*graph][:4])] == left[equal]


def test_noise_is_never_equal() -> None:
    """Two random tensors differ, although both read nothing."""
    make = GraphMaker()
    one, two = (make.op("RandomNormal", shape=[2, 3]) for _ in range(2))
    graph = ir.from_proto(make.model(out=make.op("Add", one, two))).graph
    first, *_ = (str(node.name) for node in graph)
    assert with_equals(graph, {first, "elsewhere"}) == {first, "elsewhere"}
    assert with_equals(graph, ()) == frozenset()
