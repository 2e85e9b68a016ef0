"""Attributes that ONNX gives a default are written."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.rewrite import apply
from specialize.lowering.defaults import WRITTEN_DEFAULTS
from tests.graphs import GraphMaker, random_feeds, run


def test_a_normalization_says_its_epsilon_and_axis() -> None:
    """Both are written once, the result is the same, and what was written stays."""
    g = GraphMaker()
    scale = g.const(np.linspace(1, 2, 8))
    plain = g.op("LayerNormalization", g.input("x", (2, 6, 8)), scale)
    proto = g.model(out=g.op("LayerNormalization", plain, scale, epsilon=1e-3))
    model = ir.from_proto(proto)
    (note,) = apply(model, WRITTEN_DEFAULTS)
    assert note.reason == "3 attributes written that ONNX gives a default"
    assert apply(model, WRITTEN_DEFAULTS) == []
    said = [
        node.attributes["epsilon"].as_float() for node in model.graph if node.op_type == "LayerNormalization"
    ]
    np.testing.assert_allclose(said, [1e-5, 1e-3], rtol=1e-6)
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(model, feeds)["out"], run(proto, feeds)["out"])
