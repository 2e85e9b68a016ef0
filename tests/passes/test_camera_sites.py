"""A site of cameras is one whose rows the calibration chooses and that differ by camera; other writes are not sites."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.artifact.describe import describe_site
from specialize.cli.render_build import headline, sites_tables
from tests.graphs import RAGGED, GraphMaker, run, specialize_proto

CAMERAS, QUERIES, CHANNELS = 3, 8, 4
NAMES = ("FRONT", "LEFT", "RIGHT")
SEEN = np.array(
    [[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]], dtype=np.float32
)
BLIND = SEEN * np.array([[1], [0], [1]], dtype=np.float32)


def model_of(*, head: str) -> onnx.ModelProto:
    """Return a masked sum over cameras, and behind it a slice that is written in place.

    Args:
        head: Where the places of the slice come from: `constants`, or the `shape` of what it is written to.
    """
    make = GraphMaker(opset=18)
    x, maps = make.input("x", [QUERIES, CHANNELS]), make.input("maps", [CAMERAS, QUERIES, CHANNELS])
    seen = make.input("seen", [CAMERAS, QUERIES])
    mask = make.op("Unsqueeze", seen, make.const([2]))
    read = make.op("Relu", make.op("Mul", make.op("Exp", maps), x))
    summed = make.op("ReduceSum", make.op("Mul", read, mask), make.const([0]), keepdims=0)
    mixed = make.op(
        "MatMul",
        make.op("Softmax", make.op("MatMul", summed, make.op("Transpose", summed, perm=[1, 0]))),
        summed,
    )
    y = make.op("Tanh", mixed)
    if head == "shape":
        size = make.op("Shape", y)
        rows = make.op("Range", make.const(0), make.op("Gather", size, make.const(0)), make.const(1))
    else:
        rows = make.const(np.arange(QUERIES))
    wide = make.op(
        "Expand", make.op("Reshape", rows, make.const([QUERIES, 1, 1])), make.const([QUERIES, 2, 1])
    )
    columns = make.op("Expand", make.const(np.arange(2).reshape(1, 2, 1)), make.const([QUERIES, 2, 1]))
    places = make.op("Concat", wide, columns, axis=2)
    cut = make.op("Slice", y, make.const([0]), make.const([2]), make.const([1]))
    moved = make.op(
        "Add", make.op("Sigmoid", cut), make.const(np.linspace(0.1, 0.9, QUERIES * 2).reshape(QUERIES, 2))
    )
    return make.model(out=make.op("ScatterND", y, places, moved), sum=summed)


@pytest.mark.parametrize("head", ["constants", "shape"])
@pytest.mark.parametrize("seen", [SEEN, BLIND], ids=["all", "blind"])
def test_a_slice_written_in_place_is_no_site(head: str, seen: np.ndarray) -> None:
    """Only the sum over cameras is a site; the slice is written without a scatter and computes the same."""
    model = model_of(head=head)
    made = specialize_proto(model, {"seen": seen}, RAGGED)
    random = np.random.default_rng(0)
    feeds = {
        "x": random.standard_normal((QUERIES, CHANNELS), dtype=np.float32),
        "maps": random.standard_normal((CAMERAS, QUERIES, CHANNELS), dtype=np.float32),
    }
    wanted = run(model, feeds | {"seen": seen})
    for name, array in run(made.model, feeds).items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-5, atol=1e-6)
    assert "ScatterND" not in {node.op_type for node in made.model.graph}
    (site,) = made.sites
    assert any("same for every calibration" in note.reason for note in made.notes)
    found = describe_site(site, NAMES)
    assert found.kind == "camera"
    assert [(camera.name, camera.visible) for camera in found.cameras] == list(
        zip(NAMES, seen.sum(1).astype(int).tolist(), strict=True)
    )
    np.testing.assert_array_equal(site.by_camera(CAMERAS).seen, seen != 0)


def test_zeros_of_a_projection_leave_out_no_row() -> None:
    """DETR3D divides projected points in place, `p[..., 0:2] /= p[..., 2:3]`: a write of coordinates, and no site."""
    make = GraphMaker(opset=18)
    matrix = make.input("matrix", [1, CAMERAS, 1, 4, 4])
    points = make.input("points", [1, 1, QUERIES, 4, 1])
    wide = make.op("Expand", matrix, make.const([1, CAMERAS, QUERIES, 4, 4]))
    each = make.op("Expand", points, make.const([1, CAMERAS, QUERIES, 4, 1]))
    seen = make.op("Squeeze", make.op("MatMul", wide, each), make.const([4]))
    axis = make.const([3])
    flat, depth = (
        make.op("Slice", seen, make.const([a]), make.const([b]), axis) for a, b in ((0, 2), (2, 3))
    )
    divided = make.op("Div", flat, make.op("Max", make.op("Exp", depth), make.const(1e-5)))
    places = np.stack(np.meshgrid([0], range(CAMERAS), range(QUERIES), range(2), indexing="ij"), axis=-1)
    written = make.op("ScatterND", make.op("Exp", seen), make.const(places), make.op("Exp", divided))
    kept = make.op("Slice", written, make.const([0]), make.const([2]), axis)
    model = make.model(out=make.op("Tanh", kept))
    matrices = np.random.default_rng(0).standard_normal((1, CAMERAS, 1, 4, 4)).astype(np.float32)
    matrices[..., 3, :] = (0, 0, 0, 1)
    made = specialize_proto(model, {"matrix": matrices}, RAGGED)
    assert made.sites == ()
    feed = {"points": np.random.default_rng(1).standard_normal((1, 1, QUERIES, 4, 1)).astype(np.float32)}
    wanted = run(model, feed | {"matrix": matrices})["out"]
    np.testing.assert_allclose(run(made.model, feed)["out"], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seen", [SEEN, BLIND, 0 * SEEN], ids=["all", "blind", "nothing"])
def test_the_headline_says_what_the_table_says(seen: np.ndarray) -> None:
    """Pairs of all cameras, those that see nothing included."""
    made = specialize_proto(model_of(head="constants"), {"seen": seen}, RAGGED)
    sites = tuple(describe_site(site, NAMES) for site in made.sites)
    pairs = int(seen.sum())
    told = (
        f"{CAMERAS * QUERIES / pairs:.2f}x fewer camera-query pairs: {pairs} of {CAMERAS * QUERIES}"
        if pairs
        else ""
    )
    assert headline(sites).startswith(told or "no camera sees any query")
    (table,) = sites_tables(sites)
    cells = [[row[column].text for row in table.rows] for column in (0, 1)]
    assert cells[0] == [*NAMES, "all cameras", "rows computed"]
    assert cells[1] == [*(str(int(row.sum())) for row in seen), str(pairs), str(pairs)]


def test_points_that_are_pooled_are_no_pairs() -> None:
    """Several rows of one camera that add up in one cell are points, whatever their number of groups."""
    make = GraphMaker(opset=18)
    depth = make.input("depth", [CAMERAS, 5, 1])
    context = make.input("context", [CAMERAS, 1, CHANNELS])
    cells = make.input("cells", [CAMERAS * 5, 1], onnx.TensorProto.INT64)
    points = make.op(
        "Reshape", make.op("Mul", make.op("Exp", depth), context), make.const([CAMERAS * 5, CHANNELS])
    )
    zeros = make.const(np.zeros((4, CHANNELS), np.float32))
    pooled = make.op("ScatterND", zeros, cells, points, reduction="add")
    kept = make.op("Slice", pooled, make.const([0]), make.const([3]), make.const([0]))
    model = make.model(out=make.op("Relu", kept))
    places = np.array([0, 0, 3, 1, 1, 3, 3, 3, 2, 2, 3, 3, 0, 0, 3])[:, None]
    made = specialize_proto(model, {"cells": places}, RAGGED)
    for site in made.sites:
        assert describe_site(site, NAMES).kind == "pooled"
