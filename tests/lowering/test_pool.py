"""Pooling as the five-array operator: the tables say what the scatter did, point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.errors import DeclinedError
from specialize.graph.custom import is_pool
from specialize.graph.nodes import array_of
from specialize.lowering.pool import define_pools, lower_pools
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish, runnable_copy
from tests.graphs import RAGGED, GraphMaker, operators, random_feeds, run, specialize_proto

CAMERAS, DEPTHS, HEIGHT, WIDTH, CHANNELS = 2, 20, 3, 4, 6
GRID = (4, 3)
CELLS = GRID[0] * GRID[1]
POINTS = CAMERAS * DEPTHS * HEIGHT * WIDTH
FACTS = BuildFacts(vehicle="van")


def pooling(
    inside: np.ndarray,
    cells: np.ndarray,
    *,
    base: float = 0.0,
    product: str = "Mul",
    by_element: bool = False,
) -> onnx.ModelProto:
    """Return depth weights times features, summed into cells, as a view transform's export writes it.

    Args:
        inside: Factor of every point, (CAMERAS, DEPTHS, HEIGHT, WIDTH).
        cells: Cell of every point, (POINTS,).
        base: What the cells are before.
        product: How weights and features are joined.
        by_element: Whether every element has an index of its own, the same along each row.
    """
    g = GraphMaker()
    depth = g.input("depth", (CAMERAS, DEPTHS, HEIGHT, WIDTH))
    features = g.input("features", (CAMERAS, CHANNELS, HEIGHT, WIDTH))
    rows = g.op("Transpose", features, perm=[0, 2, 3, 1])
    weights = g.op("Unsqueeze", g.op("Mul", depth, g.const(inside)), g.const([4]))
    products = g.op(product, weights, g.op("Unsqueeze", rows, g.const([1])))
    updates = g.op("Reshape", products, g.const([POINTS, CHANNELS]))
    empty = g.const(np.full((CELLS, CHANNELS), base, np.float32))
    if by_element:
        index = g.const(np.repeat(cells[:, None], CHANNELS, axis=1))
        pooled = g.op("ScatterElements", empty, index, updates, axis=0, reduction="add")
    else:
        pooled = g.op("ScatterND", empty, g.const(cells[:, None]), updates, reduction="add")
    grid = g.op("Reshape", pooled, g.const([1, *GRID, CHANNELS]))
    return g.model(out=g.op("Transpose", grid, perm=[0, 3, 1, 2]))


def scene(kept: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Return which points are inside, as ones and zeros, and the cell of each.

    Most points fall into one cell and none into the last: a table with room for as many in every cell would be
    mostly empty, so that sums stay a scatter.
    """
    random = np.random.default_rng(1)
    inside = (random.random((CAMERAS, DEPTHS, HEIGHT, WIDTH)) < kept).astype(np.float32)
    return inside, np.where(random.random(POINTS) < 0.25, random.integers(0, CELLS - 1, POINTS), 1)


def pool(depth: np.ndarray, features: np.ndarray, node: ir.Node) -> np.ndarray:
    """Return what the operator is documented to give, (1, H, W, C), by plain loops over intervals and points."""
    tables = [array_of(value) for value in node.inputs[2:]]
    ranks_depth, ranks_feat, ranks_bev, starts, lengths = (np.asarray(table) for table in tables)
    assert {table.dtype for table in (ranks_depth, ranks_feat, ranks_bev, starts, lengths)} == {
        np.dtype("int32")
    }
    height, width = (node.attributes[name].as_int() for name in ("out_height", "out_width"))
    rows = features.reshape(-1, features.shape[-1])
    found = np.zeros((height * width, rows.shape[1]))
    for start, length in zip(starts, lengths, strict=True):
        for point in range(start, start + length):
            found[ranks_bev[start]] += depth.ravel()[ranks_depth[point]] * rows[ranks_feat[point]]
    return found.reshape(1, height, width, -1)


def lowered(model: onnx.ModelProto) -> tuple[ir.Model, ir.Node]:
    """Return a graph with its pooling lowered, and the operator."""
    graph = specialize_proto(model, {}, RAGGED).model
    (note,) = lower_pools(graph)
    assert note.verdict == "applied", note.reason
    (node,) = (node for node in graph.graph if is_pool(node))
    return graph, node


def test_the_tables_are_those_of_the_kernels() -> None:
    """Loops over the five arrays give what the scatter gives; points outside are in no interval."""
    inside, cells = scene()
    model = pooling(inside, cells)
    _, node = lowered(model)
    feeds = random_feeds(model)
    got = pool(feeds["depth"], feeds["features"].transpose(0, 2, 3, 1), node)
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), run(model, feeds)["out"], atol=1e-5)
    assert got.shape == (1, *GRID, CHANNELS)
    ranks_bev, starts, lengths = (np.asarray(array_of(value)) for value in node.inputs[4:])
    assert len(ranks_bev) == lengths.sum() == inside.sum()
    assert (np.diff(ranks_bev[starts]) > 0).all()
    np.testing.assert_array_equal(starts, np.cumsum(lengths) - lengths)


def test_points_of_a_cell_that_is_cut_off_are_in_no_interval() -> None:
    """A spare cell for the points outside, which a Slice takes away again, has no points in the tables."""
    _, cells = scene()
    g = GraphMaker()
    depth, features = g.input("depth", (POINTS, 1)), g.input("features", (POINTS, CHANNELS))
    empty = g.const(np.zeros((CELLS, CHANNELS), np.float32))
    product = g.op("Mul", depth, features)
    pooled = g.op("ScatterND", empty, g.const(cells[:, None]), product, reduction="add")
    model = g.model(out=g.op("Slice", pooled, g.const([1]), g.const([CELLS])))
    graph, node = lowered(model)
    ranks_bev = array_of(node.inputs[4])
    assert ranks_bev is not None and sorted(ranks_bev) == sorted(cells[cells >= 1])
    define_pools(graph)
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=1e-5)


@pytest.mark.parametrize("by_element", [False, True])
@pytest.mark.parametrize("kept", [0.8, 0.05])
def test_the_definition_computes_the_same(kept: float, by_element: bool) -> None:
    """Written out in standard operators, a lowered pooling gives what either scatter gave, for any share of points."""
    model = pooling(*scene(kept), by_element=by_element)
    graph, _ = lowered(model)
    define_pools(graph)
    assert not any(is_pool(node) for node in graph.graph)
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=1e-5)


def test_a_pooling_of_picked_points_is_lowered_too() -> None:
    """Where only some points are multiplied, the operator reads the whole tensors again, by the same tables."""
    inside, cells = scene(0.05)
    g = GraphMaker()
    depth, features = g.input("depth", (POINTS, 1)), g.input("features", (POINTS, CHANNELS))
    kept = np.flatnonzero(inside)
    rows = [g.op("Gather", value, g.const(kept), axis=0) for value in (depth, features)]
    empty = g.const(np.zeros((CELLS, CHANNELS), np.float32))
    pooled = g.op("ScatterND", empty, g.const(cells[kept][:, None]), g.op("Mul", *rows), reduction="add")
    model = g.model(out=pooled)
    graph, node = lowered(model)
    assert [value is not None and value.shape for value in node.inputs[:2]] == [
        (1, 1, POINTS, 1),
        (1, 1, POINTS, CHANNELS),
    ]
    define_pools(graph)
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=1e-5)


def test_what_is_no_such_pooling_is_declined() -> None:
    """A sum onto something, a factor of a half, and sums instead of products stay as they are, with the reason."""
    inside, cells = scene()
    cases = {
        "what is added to is not zero": pooling(inside, cells, base=1.0),
        "a point has another factor than zero or one": pooling(inside / 2, cells),
        "what is added is not one number times one row of features": pooling(inside, cells, product="Add"),
    }
    for reason, model in cases.items():
        graph = specialize_proto(model, {}, RAGGED).model
        before = operators(graph)
        (note,) = lower_pools(graph)
        assert (note.verdict, note.reason) == ("declined", reason)
        assert operators(graph) == before


def test_a_toolchain_with_the_operator_gets_it(tmp_path: Path) -> None:
    """TensorRT refuses a scatter that adds; with the plugins it gets the operator, proven by its definition."""
    model = pooling(*scene())
    model.opset_import[0].version = 18  # as the exporter writes it
    with pytest.raises(DeclinedError, match="ScatterND"):
        finish(specialize_proto(model, {}, RAGGED).model, "tensorrt", tmp_path, FACTS)
    graph = specialize_proto(model, {}, RAGGED).model
    done = finish(graph, "tensorrt_derryhub", tmp_path, FACTS)
    assert not done.runnable
    assert operators(graph)["BEVPoolV2TRT"] == 1
    assert graph.graph.opset_imports[""] == 17
    assert any("points pooled by BEVPoolV2TRT" in note.reason for note in done.notes)
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(runnable_copy(graph), feeds)["out"], run(model, feeds)["out"], atol=1e-5)
