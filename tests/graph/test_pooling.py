"""The part of a graph that pools points is found by sizes, whatever happens to have the same size."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.pooling import find_poolings
from tests.graphs import GraphMaker

DEPTHS, PIXELS, CHANNELS, CELLS = 2, 4, 3, 5


def test_a_part_of_the_sums_may_be_as_large_as_all_features() -> None:
    """Four of five cells are one product with as many numbers as the features have; it is looked through."""
    g = GraphMaker()
    table = np.array([[0, 8, 8, 8], [8, 1, 6, 8], [4, 8, 8, 3], [8, 5, 2, 8]])  # 8: a point that is none
    weights = g.input("weights", (DEPTHS * PIXELS,))
    features = g.input("features", (PIXELS, CHANNELS))
    numbers = g.op(
        "Gather", g.op("Concat", weights, g.const(np.zeros(1, np.float32)), axis=0), g.const(table)
    )
    sums = g.op("MatMul", numbers, features)
    empty = g.const(np.zeros((1, CHANNELS), np.float32))
    model = ir.from_proto(g.model(bev=g.op("Concat", sums, empty, axis=0)))
    found = next(find_poolings(model, DEPTHS * PIXELS, PIXELS, CELLS, ()))
    assert (found.weights.name, found.features.name, found.channels) == ("weights", "features", CHANNELS)
    random = np.random.default_rng(0)
    weighed, seen = random.random(DEPTHS * PIXELS), random.random((PIXELS, CHANNELS))
    wanted = np.append(weighed, 0)[table] @ seen
    np.testing.assert_allclose(found.run(model, weighed, seen, {})[:-1], wanted, rtol=1e-5)
