"""Points that share features are pooled by small products, column by column of an image, where that costs less."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given

from specialize.passes.gather_sums import gather_sums
from specialize.passes.pool_columns import read_features
from tests.graphs import GraphMaker, operators, random_feeds, run

CAMERAS, DEPTHS, HEIGHT, WIDTH, CHANNELS = 2, 5, 6, 4, 7


def view_transform(
    places: np.ndarray, cells: int, *, factor: np.ndarray | None = None, features: str = "transposed"
) -> onnx.ModelProto:
    """Return depth weights times features of pixels, added to cells: `places` (N, D, H, W), below 0 for none.

    Args:
        places: Cell of every point.
        cells: Number of cells.
        factor: Constant per point.
        features: `transposed` from (N, C, H, W), `last` as they are, or `merged` with rows and columns on one axis.
    """
    g = GraphMaker()
    depth = g.op("Unsqueeze", g.input("depth", (CAMERAS, DEPTHS, HEIGHT, WIDTH)), g.const([4]))
    if features == "last":
        rows = g.input("features", (CAMERAS, HEIGHT, WIDTH, CHANNELS))
    elif features == "transposed":
        images = g.input("features", (CAMERAS, CHANNELS, HEIGHT, WIDTH))
        rows = g.op("Transpose", images, perm=[0, 2, 3, 1])
    else:
        images = g.input("features", (CAMERAS, CHANNELS, HEIGHT, WIDTH))
        flat = g.op("Reshape", images, g.const([CAMERAS, CHANNELS, HEIGHT * WIDTH]))
        rows = g.op(
            "Reshape", g.op("Transpose", flat, perm=[0, 2, 1]), g.const([CAMERAS, HEIGHT, WIDTH, CHANNELS])
        )
    product = g.op("Mul", depth, g.op("Unsqueeze", rows, g.const([1])))
    if factor is not None:
        product = g.op("Mul", product, g.const(factor[..., None].astype(np.float32)))
    flat = g.op("Reshape", product, g.const([-1, CHANNELS]))
    kept = np.flatnonzero(places.ravel() >= 0)
    picked = g.op("Gather", flat, g.const(kept), axis=0)
    table = g.const(np.zeros((cells, CHANNELS), np.float32))
    added = g.op("ScatterND", table, g.const(places.ravel()[kept][:, None]), picked, reduction="add")
    return onnx.shape_inference.infer_shapes(g.model(out=added), data_prop=True)


def upright(cells: int = 9) -> np.ndarray:
    """Return places as level cameras have them: all pixels of a column see one cell per depth; some see none."""
    places = np.random.default_rng(0).integers(-1, cells, (CAMERAS, DEPTHS, 1, WIDTH))
    return np.broadcast_to(places, (CAMERAS, DEPTHS, HEIGHT, WIDTH)).copy()


def require_equal(proto: onnx.ModelProto, model: ir.Model) -> None:
    """Compare with the original."""
    feeds = random_feeds(proto)
    (got,), (wanted,) = run(model, feeds).values(), run(proto, feeds).values()
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def pooled(proto: onnx.ModelProto) -> ir.Model:
    """Return the graph after the pass, which must have acted."""
    model = ir.from_proto(proto)
    assert [note.verdict for note in gather_sums(model)] == ["applied"]
    return model


def products(model: ir.Model) -> list[tuple[int, ...]]:
    """Return the shapes of all matrix products whose rows are cells of a column."""
    shapes = [tuple(node.outputs[0].shape.numpy()) for node in model.graph if node.op_type == "MatMul"]  # type: ignore[union-attr]
    return [shape for shape in shapes if shape[1] > 1]


@pytest.mark.parametrize("features", ["transposed", "last", "merged"])
def test_columns_of_level_cameras_are_products(features: str) -> None:
    """Each camera is one product of its columns, with no more rows than a column reaches cells."""
    proto = view_transform(upright(), 9, features=features)
    model = pooled(proto)
    require_equal(proto, model)
    assert [shape[::2] for shape in products(model)] == [(WIDTH, CHANNELS)] * CAMERAS
    assert max(shape[1] for shape in products(model)) <= DEPTHS


def test_a_camera_that_reaches_no_cell_is_not_multiplied() -> None:
    """Nothing is computed for a camera without points in the grid."""
    places = upright()
    places[1] = -1
    proto = view_transform(places, 9)
    model = pooled(proto)
    require_equal(proto, model)
    assert len(products(model)) == 1


def test_points_have_factors() -> None:
    """Constant factors are multiplied into the weights; points with a factor of zero are left out."""
    factor = np.random.default_rng(1).choice([0.0, 0.5, 2.0], (CAMERAS, DEPTHS, HEIGHT, WIDTH))
    proto = view_transform(upright(), 9, factor=factor)
    model = pooled(proto)
    require_equal(proto, model)
    assert products(model)


def test_pixels_without_order_are_summed_point_by_point() -> None:
    """Where the points of a column go to cells of their own, a product has more zeros than it saves."""
    count = CAMERAS * DEPTHS * HEIGHT * WIDTH
    places = np.random.default_rng(0).permutation(count).reshape(CAMERAS, DEPTHS, HEIGHT, WIDTH)
    proto = view_transform(places, count)
    model = pooled(proto)
    require_equal(proto, model)
    assert not products(model)


@given(
    seed=st.integers(0, 1000), cells=st.integers(1, 12), level=st.booleans(),
    features=st.sampled_from(["transposed", "last", "merged"]),
)  # fmt: skip
def test_any_points_are_summed(seed: int, cells: int, level: bool, features: str) -> None:
    """Several points of one pixel in one cell, empty cells and empty columns."""
    random = np.random.default_rng(seed)
    shape = (CAMERAS, DEPTHS, 1 if level else HEIGHT, WIDTH)
    places = np.broadcast_to(random.integers(-2, cells, shape), (CAMERAS, DEPTHS, HEIGHT, WIDTH)).copy()
    proto = view_transform(places, cells, features=features)
    require_equal(proto, pooled(proto))


def test_features_are_found_on_their_own_axes() -> None:
    """Behind reshapes and transposes, the tensor in which pixels have two axes and channels one."""
    g = GraphMaker()
    merged = g.op(
        "Reshape", g.input("x", (CAMERAS, CHANNELS, HEIGHT, WIDTH)), g.const([CAMERAS, CHANNELS, -1])
    )
    proto = g.model(out=g.op("Transpose", merged, perm=[0, 2, 1]))
    model = ir.from_proto(proto)
    features = read_features(model.graph.outputs[0])
    assert features is not None
    assert (features.value.name, features.channels, features.sizes) == ("x", 1, (CAMERAS, HEIGHT, WIDTH))
    np.testing.assert_array_equal(features.rows, np.arange(CAMERAS * HEIGHT * WIDTH))
    assert "MatMul" not in operators(model)


@pytest.mark.parametrize("features", ["transposed", "last", "merged"])
def test_features_are_moved_one_axis_at_a_time(features: str) -> None:
    """No Transpose exchanges two axes with others between them, wherever the channels are."""
    model = pooled(view_transform(upright(), 9, features=features))
    assert products(model)
    perms = [node.attributes["perm"].as_ints() for node in model.graph if node.op_type == "Transpose"]
    for perm in map(list, perms):
        rests = [perm[:place] + perm[place + 1 :] for place in range(len(perm))]
        assert any(rest == sorted(rest) for rest in rests), perm
