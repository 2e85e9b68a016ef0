"""Zeros behind other rows are written by Pad where a target asks for it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.graph import folding
from specialize.graph.rewrite import apply
from specialize.lowering.zero_rows import PADDED_ZEROS
from tests.graphs import GraphMaker, assert_annotations_true, operators, random_feeds, run


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("axis", [1, -2])
def test_zeros_at_the_end(parts: int, axis: int) -> None:
    """Whatever comes before them is joined, and the zeros are padding."""
    g = GraphMaker()
    rows = [g.input(f"x{part}", (1, 5 + part, 4)) for part in range(parts)]
    proto = g.model(out=g.op("Concat", *rows, g.const(np.zeros((1, 3, 4))), axis=axis))
    model = ir.from_proto(proto)
    folding.evaluate(model)
    (note,) = apply(model, PADDED_ZEROS)
    assert note.reason == "3 rows of zeros by Pad"
    assert operators(model)["Pad"] == 1 and operators(model)["Concat"] == parts - 1
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
    assert_annotations_true(model, feeds)


@pytest.mark.parametrize("last", [np.ones((1, 3, 4)), None])
def test_anything_else_stays(last: np.ndarray | None) -> None:
    """Ones are not padding, and neither is what is computed."""
    g = GraphMaker()
    tail = g.input("y", (1, 3, 4)) if last is None else g.const(last)
    model = ir.from_proto(g.model(out=g.op("Concat", g.input("x", (1, 5, 4)), tail, axis=1)))
    folding.evaluate(model)
    assert apply(model, PADDED_ZEROS) == [] and operators(model)["Pad"] == 0
