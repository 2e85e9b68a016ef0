"""Pixels that are gathered at known places, several for each query, are gathered for the queries that are read."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.rows.arrange import Packing
from tests.graphs import PACKINGS, RAGGED, GraphMaker, check

CAMERAS, HEADS, DEPTH, PIXELS, QUERIES, POINTS = 2, 3, 4, 7, 60, 5
COUNTS = (11, 24)


def gathered(*, same: bool = True, computed: bool = False) -> onnx.ModelProto:
    """Return cameras whose masked queries each gather pixels, weigh and sum them: (heads * depth, queries).

    Args:
        same: Whether all channels of a head gather the same pixels.
        computed: Whether places are read from an input.
    """
    random = np.random.default_rng(0)
    g = GraphMaker()
    image = g.input("image", (CAMERAS * HEADS, DEPTH, PIXELS))
    shape = (CAMERAS * HEADS, 1 if same else DEPTH, QUERIES * POINTS)
    whole = (CAMERAS * HEADS, DEPTH, QUERIES * POINTS)
    places = random.integers(0, PIXELS, shape)
    if computed:
        moved = g.op("Clip", g.input("places", shape), g.const(0.0), g.const(PIXELS - 1.0))
        index = g.op("Expand", g.op("Cast", moved, to=7), g.const(whole))
    else:
        index = g.const(np.broadcast_to(places, whole))
    read = g.op("GatherElements", image, index, axis=2)
    read = g.op("Reshape", read, g.const([CAMERAS * HEADS, DEPTH, QUERIES, POINTS]))
    shares = g.op("Softmax", g.input("shares", (CAMERAS * HEADS, 1, QUERIES, POINTS)), axis=-1)
    summed = g.op("ReduceSum", g.op("Mul", read, shares), g.const([3]), keepdims=0)
    rows = g.op("Reshape", summed, g.const([CAMERAS, HEADS * DEPTH, QUERIES]))
    mask = np.zeros((CAMERAS, 1, QUERIES), np.float32)
    for camera, count in enumerate(COUNTS):
        mask[camera, 0, random.choice(QUERIES, count, replace=False)] = 1
    return g.model(out=g.op("ReduceSum", g.op("Mul", rows, g.const(mask)), g.const([0]), keepdims=0))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("same", [True, False])
def test_only_places_of_visible_queries_are_gathered(same: bool, computed: bool, packing: Packing) -> None:
    """Known places are as good as computed ones, in every layout."""
    made = check(gathered(same=same, computed=computed), packing=packing)
    (site,) = made.sites
    assert site.pairs == sum(COUNTS)
    shapes = [node.outputs[0].shape for node in made.model.graph if node.op_type == "GatherElements"]
    elements = sum(int(np.prod(shape)) for shape in shapes if shape is not None)
    assert elements == site.rows_computed * POINTS * HEADS * DEPTH


def test_known_places_are_split_by_camera_when_they_are_compiled() -> None:
    """No table is cut in pieces at run time, and computed places are cut before they are repeated for channels."""
    known = check(gathered(), packing=RAGGED).model
    indices = [node.inputs[1] for node in known.graph if node.op_type == "GatherElements"]
    assert len(indices) == CAMERAS
    assert all(value is not None and value.const_value is not None for value in indices)
    cut = [node for node in check(gathered(computed=True)).model.graph if node.op_type == "Split"]
    whole = sum(COUNTS) * POINTS * HEADS
    sizes = [int(np.prod(value.shape)) for node in cut if (value := node.inputs[0]) and value.dtype == 7]
    assert sizes == [whole]


def test_rows_of_one_camera_alone() -> None:
    """All that is read shows the first camera: its pixels are gathered, not those of all cameras."""
    random = np.random.default_rng(0)
    g = GraphMaker()
    image = g.input("image", (CAMERAS, DEPTH, PIXELS))
    places = random.integers(0, PIXELS, (CAMERAS, 1, QUERIES * POINTS))
    index = g.const(np.broadcast_to(places, (CAMERAS, DEPTH, QUERIES * POINTS)))
    read = g.op("Transpose", g.op("GatherElements", image, index, axis=2), perm=[0, 2, 1])
    (whole,) = g.ops("Split", read, g.const([QUERIES * POINTS]), count=1, axis=1)
    apart = g.op("Reshape", whole, g.const([CAMERAS, QUERIES, POINTS, DEPTH]))
    own = g.op("Gather", g.op("ReduceSum", apart, g.const([2]), keepdims=0), g.const(np.array(0)), axis=0)
    some = g.op("Slice", own, g.const([0]), g.const([COUNTS[0]]), g.const([0]))
    places = g.const(random.choice(QUERIES, COUNTS[0], replace=False)[:, None])
    table = g.const(np.zeros((QUERIES, DEPTH), np.float32))
    made = check(g.model(out=g.op("ScatterND", table, places, some)))
    shapes = [node.outputs[0].shape for node in made.model.graph if node.op_type == "GatherElements"]
    assert [int(np.prod(shape)) for shape in shapes if shape is not None] == [COUNTS[0] * POINTS * DEPTH]


@pytest.mark.parametrize("packing", PACKINGS)
def test_places_that_were_sampled_themselves(packing: Packing) -> None:
    """Each camera has an image to read places from, and each query an image that those are places of."""
    random = np.random.default_rng(0)
    g = GraphMaker()
    image = g.input("image", (CAMERAS, DEPTH, 3, 4))
    grid = g.op("Reshape", g.input("x", (CAMERAS, QUERIES, 2)), g.const([CAMERAS, QUERIES, 1, 2]))
    read = g.op(
        "GridSample", image, grid, mode="bilinear", padding_mode="zeros"
    )  # (cameras, depth, queries, 1)
    flat = g.op("Reshape", read, g.const([CAMERAS, DEPTH, QUERIES]))
    place = g.op("Cast", g.op("Clip", g.op("Abs", flat), g.const(0.0), g.const(PIXELS - 1.0)), to=7)
    own = g.const(random.normal(size=(PIXELS, DEPTH, QUERIES)))
    found = g.op("GatherElements", own, place, axis=0)
    mask = g.const((random.random((CAMERAS, 1, QUERIES)) < 0.3).astype(np.float32))
    made = check(
        g.model(out=g.op("ReduceSum", g.op("Mul", found, mask), g.const([0]), keepdims=0)), packing=packing
    )
    assert len(made.sites) <= 1
