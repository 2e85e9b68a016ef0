"""Operators on flattened tensors are computed on the axes that were there."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.flat import UNFLATTENED
from specialize.passes.clean_up import tidy
from tests.graphs import GraphMaker, assert_annotations_true, random_feeds, run


def longest_line(model: ir.Model) -> int:
    """Return the most elements that an operator other than Reshape computes on one axis."""
    results = [node.outputs[0] for node in model.graph if node.op_type not in ("Reshape", "Identity")]
    return max((int(value.shape[0]) for value in results if value.shape and len(value.shape) == 1), default=0)


def test_steps_from_locations_to_a_grid() -> None:
    """2 x - 1 on a line is 2 x - 1 on the places it was flattened from, step after step."""
    g = GraphMaker()
    line = g.op("Reshape", g.input("x", (6, 4, 2)), g.const([48]))
    moved = g.op("Sub", g.op("Mul", line, g.const(np.array([2.0]))), g.const(np.array([1.0])))
    proto = g.model(out=g.op("Reshape", moved, g.const([3, 8, 2])))
    model = ir.from_proto(proto)
    folding.fold(model)
    assert longest_line(model) == 48
    (note,) = apply(model, UNFLATTENED)
    assert note.reason == "2 operators on elements before they are flattened"
    tidy(model)
    assert longest_line(model) == 0
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
    assert_annotations_true(model, feeds)


@pytest.mark.parametrize("case", ["another operand", "no reshape", "many axes"])
def test_left_alone(case: str) -> None:
    """Another long operand, a line that was none before, and more than four axes stay as they are."""
    g = GraphMaker()
    shape = (2, 1, 3, 2, 2) if case == "many axes" else (4, 6)
    line = (
        g.input("line", (24,))
        if case == "no reshape"
        else g.op("Reshape", g.input("x", shape), g.const([24]))
    )
    other = g.const(np.arange(24.0)) if case == "another operand" else g.const(2.0)
    model = ir.from_proto(g.model(out=g.op("Mul", line, other)))
    folding.fold(model)
    assert apply(model, UNFLATTENED) == []
