"""Cameras that are averaged by weights of their own, with masks inside the normaliser, are computed where they see."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.rows.arrange import Packing
from tests.graphs import PACKINGS, GraphMaker, check

CAMERAS, QUERIES, CHANNELS = 3, 80, 4
COUNTS = (9, 22, 14)


def averaged(how: str) -> onnx.ModelProto:
    """Return what cameras show at places of queries, averaged: (queries, channels).

    Args:
        how: `exponentials` divides masked exponentials by their sum; `softmax` takes it over cameras, of scores
            that are lowered where a camera sees nothing, and masks what is read; `count` multiplies by one
            over the number of cameras.
    """
    random = np.random.default_rng(0)
    mask = np.zeros((CAMERAS, QUERIES, 1), np.float32)
    for camera, count in enumerate(COUNTS):
        mask[camera, random.choice(QUERIES, count, replace=False)] = 1
    g = GraphMaker()
    queries = g.input("queries", (1, QUERIES, CHANNELS))
    rows = g.op("Add", queries, g.const(random.normal(size=(CAMERAS, 1, CHANNELS))))
    places = g.op("Tanh", g.op("MatMul", rows, g.const(random.normal(size=(CHANNELS, 2)))))
    grid = g.op("Reshape", places, g.const([CAMERAS, QUERIES, 1, 2]))
    image = g.input("image", (CAMERAS, CHANNELS, 5, 6))
    read = g.op("GridSample", image, grid, mode="bilinear", padding_mode="zeros")
    read = g.op("Transpose", g.op("Reshape", read, g.const([CAMERAS, CHANNELS, QUERIES])), perm=[0, 2, 1])
    scores = g.op("MatMul", rows, g.const(random.normal(size=(CHANNELS, 1))))
    seen, first = g.const(mask), g.const([0])
    if how == "exponentials":
        weights = g.op("Mul", g.op("Exp", scores), seen)
        total = g.op("Max", g.op("ReduceSum", weights, first, keepdims=1), g.const(1e-3))
        weights = g.op("Div", weights, total)
    elif how == "softmax":
        weights = g.op("Softmax", g.op("Add", scores, g.const((mask - 1) * 100)), axis=0)
        weights = g.op("Mul", weights, seen)
    else:
        weights = g.const(mask / np.maximum(mask.sum(0), 1))
    return g.model(out=g.op("ReduceSum", g.op("Mul", read, weights), first, keepdims=0))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("how", ["exponentials", "softmax", "count"])
def test_only_what_is_seen_is_sampled(how: str, packing: Packing) -> None:
    """The normaliser may need every camera's score; what is sampled does not."""
    made = check(averaged(how), packing=packing)
    shapes = [node.outputs[0].shape for node in made.model.graph if node.op_type == "GridSample"]
    lengths = int(packing.lengths(np.array(COUNTS)).sum())
    assert sum(int(np.prod(shape)) for shape in shapes if shape is not None) == lengths * CHANNELS
