"""Sums without a scatter: rows added to constant places are gathered and summed, however many a place has."""

from __future__ import annotations

from typing import Literal

import hypothesis.strategies as st
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given

from specialize.graph.nodes import array_of
from specialize.passes.gather_sums import gather_sums
from tests.graphs import GraphMaker, operators, random_feeds, run

WIDTH = 3

Spelling = Literal["ScatterND", "ScatterElements"]


def addition(
    spelling: Spelling, places: np.ndarray, count: int, base: float = 0.0, width: int = WIDTH,
    cut: tuple[int, ...] = (),
) -> onnx.ModelProto:  # fmt: skip
    """Return rows `x` added to rows of a constant table, cut by a Slice: start, end, axis and step."""
    g = GraphMaker()
    rows, table = g.input("x", (len(places), width)), g.const(np.full((count, width), base, np.float32))
    if spelling == "ScatterND":
        out = g.op("ScatterND", table, g.const(places[:, None]), rows, reduction="add")
    else:
        index = g.const(np.repeat(places[:, None], width, axis=1))
        out = g.op("ScatterElements", table, index, rows, axis=0, reduction="add")
    return g.model(out=g.op("Slice", out, *(g.const([bound]) for bound in cut)) if cut else out)


def rewritten(proto: onnx.ModelProto) -> ir.Model:
    """Return the graph after the pass, which must have acted on every scatter."""
    model = ir.from_proto(proto)
    notes = gather_sums(model)
    assert [note.verdict for note in notes] == ["applied"], notes
    used = {value for node in model.graph for value in node.inputs} | set(model.graph.outputs)
    assert all(used & set(node.outputs) for node in model.graph), "a node is left that reaches no output"
    return model


def require_equal(proto: onnx.ModelProto, model: ir.Model) -> None:
    """Compare with plain loops in float64: ONNX Runtime's own scatter is not to be trusted with repeated places."""
    feeds = random_feeds(proto)
    (got,), (wanted,) = run(ir.to_proto(model), feeds).values(), run(proto, feeds).values()
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spelling", ["ScatterND", "ScatterElements"])
@given(places=st.lists(st.integers(-7, 6), min_size=1, max_size=60), base=st.sampled_from([0.0, 1.5]))
def test_any_number_of_rows_of_a_place_is_summed(spelling: Spelling, places: list[int], base: float) -> None:
    """Both spellings, negative places, empty places and places with many rows give what the scatter gives."""
    proto = addition(spelling, np.array(places), 7, base)
    model = rewritten(proto)
    assert not {"ScatterND", "ScatterElements"} & set(operators(model))
    require_equal(proto, model)


def test_no_row_is_padded() -> None:
    """The first gathers read every row once, however unequal the places are."""
    places = np.repeat([0, 1, 2, 3], [1, 2, 13, 100])
    model = rewritten(addition("ScatterND", places, 5))
    source = model.graph.inputs[0]
    read = [
        reader.inputs[1].const_value.size  # type: ignore[union-attr]
        for reader, _ in source.uses()
        if reader.op_type == "Gather" and reader.inputs[1] is not None
    ]
    assert sum(read) == len(places)


def test_the_outer_product_of_a_view_transform_is_never_made() -> None:
    """Depth weights times features, [N, D, H, W, C], are multiplied only where points are summed."""
    cameras, depths, height, width, channels, cells = 2, 5, 3, 4, 6, 7
    points = cameras * depths * height * width
    g = GraphMaker()
    depth = g.op("Unsqueeze", g.input("depth", (cameras, depths, height, width)), g.const([4]))
    features = g.op("Transpose", g.input("features", (cameras, channels, height, width)), perm=[0, 2, 3, 1])
    product = g.op("Mul", depth, g.op("Unsqueeze", features, g.const([1])))
    flat = g.op("Reshape", product, g.const([points, channels]))
    places = np.random.default_rng(0).integers(0, cells, points)
    table = g.const(np.zeros((cells, channels), np.float32))
    proto = g.model(out=g.op("ScatterND", table, g.const(places[:, None]), flat, reduction="add"))
    model = rewritten(onnx.shape_inference.infer_shapes(proto, data_prop=True))
    require_equal(proto, model)
    sizes = [np.prod(value.shape.numpy()) for node in model.graph for value in node.outputs]  # type: ignore[union-attr]
    assert max(sizes) < points * channels


def test_rows_with_a_factor_of_zero_are_not_computed() -> None:
    """Points that a constant mask takes away are gathered by nothing, and a mask of ones alone is no product."""
    mask = np.array([1, 0, 1, 1, 0, 0], np.float32)[:, None]
    g = GraphMaker()
    masked = g.op("Mul", g.input("x", (6, WIDTH)), g.const(mask))
    table = g.const(np.zeros((4, WIDTH), np.float32))
    places = np.array([0, 0, 0, 1, 2, 3])[:, None]
    proto = g.model(out=g.op("ScatterND", table, g.const(places), masked, reduction="add"))
    model = ir.from_proto(proto)
    (note,) = gather_sums(model)
    assert note.reason == "3 rows are added to 4 without a scatter; 3 are always zero"
    assert operators(model)["Mul"] == 0
    require_equal(proto, model)


def test_all_rows_may_be_zero() -> None:
    """A sum of nothing is zeros."""
    g = GraphMaker()
    masked = g.op("Mul", g.input("x", (2, WIDTH)), g.const(np.zeros((2, 1), np.float32)))
    table = g.const(np.zeros((4, WIDTH), np.float32))
    proto = g.model(out=g.op("ScatterND", table, g.const([[0], [1]]), masked, reduction="add"))
    require_equal(proto, rewritten(proto))


def test_rows_that_others_read_are_computed_once() -> None:
    """What something else reads too is not computed a second time for the sum."""
    g = GraphMaker()
    doubled = g.op("Mul", g.input("x", (4, WIDTH)), g.const(np.full((1, 1), 2.0, np.float32)))
    table = g.const(np.zeros((2, WIDTH), np.float32))
    summed = g.op("ScatterND", table, g.const([[0], [1], [0], [1]]), doubled, reduction="add")
    proto = g.model(out=summed, beside=doubled)
    model = rewritten(onnx.shape_inference.infer_shapes(proto, data_prop=True))
    assert operators(model)["Mul"] == 1
    feeds = random_feeds(proto)
    got, wanted = run(ir.to_proto(model), feeds), run(proto, feeds)
    for name, array in wanted.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-6, atol=1e-6)


def test_several_threads_change_nothing() -> None:
    """The rewritten sum is the same on one and on two threads, which ONNX Runtime's ScatterND is not."""
    import onnxruntime

    places = np.random.default_rng(0).integers(0, 3, 20_000)
    proto = addition("ScatterND", places, 3, width=16)
    data = ir.to_proto(rewritten(proto)).SerializeToString()
    feeds = random_feeds(proto)
    results = []
    for threads in (1, 2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        results.append(session.run(None, feeds)[0])
    np.testing.assert_array_equal(*results)
    wanted = np.zeros((3, 16))
    np.add.at(wanted, places, feeds["x"].astype(np.float64))
    np.testing.assert_allclose(results[0], wanted, rtol=1e-4, atol=1e-3)


def test_work_that_points_share_is_done_once() -> None:
    """Features that every depth reads get their bias before they are picked, not once per point."""
    depths, pixels, cells = 6, 5, 4
    g = GraphMaker()
    biased = g.op("Add", g.input("features", (1, pixels, WIDTH)), g.const(np.ones((1, 1, WIDTH), np.float32)))
    product = g.op("Mul", g.input("depth", (depths, pixels, 1)), biased)
    flat = g.op("Reshape", product, g.const([depths * pixels, WIDTH]))
    places = np.random.default_rng(0).integers(0, cells, depths * pixels)
    table = g.const(np.zeros((cells, WIDTH), np.float32))
    proto = g.model(out=g.op("ScatterND", table, g.const(places[:, None]), flat, reduction="add"))
    model = rewritten(proto)
    require_equal(proto, model)
    additions = [node.inputs for node in model.graph if node.op_type == "Add"]
    assert len([inputs for inputs in additions if any(array_of(value) is not None for value in inputs)]) == 1


def test_what_cannot_be_rewritten_says_why() -> None:
    """Places that are an input, that differ within a row, or an inner axis: declined with the reason."""
    g = GraphMaker()
    table, rows = g.const(np.zeros((4, WIDTH), np.float32)), g.input("x", (4, WIDTH))
    places = g.input("places", (4, 1), onnx.TensorProto.INT64)
    g_inner = GraphMaker()
    inner = g_inner.op(
        "ScatterElements", g_inner.const(np.zeros((4, WIDTH), np.float32)),
        g_inner.const(np.zeros((4, 2), np.int64)), g_inner.input("x", (4, 2)), axis=1, reduction="add",
    )  # fmt: skip
    mixed = GraphMaker()
    index = np.array([[0, 1, 0], [1, 1, 1]])
    differing = mixed.op(
        "ScatterElements", mixed.const(np.zeros((4, WIDTH), np.float32)), mixed.const(index),
        mixed.input("x", (2, WIDTH)), axis=0, reduction="add",
    )  # fmt: skip
    cases = {
        "the places it adds to are not constant": g.model(
            out=g.op("ScatterND", table, places, rows, reduction="add")
        ),
        "it adds along an inner axis": g_inner.model(out=inner),
        "the places differ within a row": mixed.model(out=differing),
    }
    for reason, proto in cases.items():
        (note,) = gather_sums(ir.from_proto(proto))
        assert (note.verdict, note.reason) == ("declined", reason)


BOUNDS = st.tuples(
    st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([0, -2]), st.sampled_from([-2, -1, 1, 3])
)


@pytest.mark.parametrize("spelling", ["ScatterND", "ScatterElements"])
@given(places=st.lists(st.integers(0, 6), min_size=1, max_size=60), cut=BOUNDS, length=st.integers(2, 4))
def test_only_places_that_a_slice_leaves_are_summed(
    spelling: Spelling, places: list[int], cut: tuple[int, ...], length: int
) -> None:
    """Whatever a Slice of the places leaves, in its order, is summed, and there is nothing left to cut."""
    bounds = cut[:length] if length > 2 else cut[:2]
    proto = addition(spelling, np.array(places), 7, cut=bounds)
    model = rewritten(proto)
    assert "Slice" not in operators(model)
    require_equal(proto, model)


def test_points_in_a_spare_place_are_not_read() -> None:
    """Rows that are added to a last place, which is cut off, are gathered by nothing."""
    places = np.array([0, 3, 1, 3, 3, 0])
    proto = addition("ScatterND", places, 4, cut=(0, 3))
    model = ir.from_proto(proto)
    (note,) = gather_sums(model)
    assert note.reason == "3 rows are added to 3 without a scatter; 3 are cut off"
    (output,) = run(
        ir.to_proto(model), {"x": np.where(places[:, None] == 3, np.nan, np.ones((6, WIDTH), np.float32))}
    ).values()
    assert np.isfinite(output).all()


@pytest.mark.parametrize(
    ("base", "cut"),
    [(1.5, (0, 3)), (0.0, (0, 2, 1)), (0.0, (-1, -9, 1, -1))],
    ids=["base", "features", "backwards"],
)
def test_what_is_no_cut_of_places_alone_stays(base: float, cut: tuple[int, ...]) -> None:
    """A Slice of features, or of sums that begin with numbers, is left where it is."""
    proto = addition("ScatterND", np.array([0, 3, 1, 3]), 4, base, cut=cut)
    model = rewritten(proto)
    assert operators(model)["Slice"] == 1
    require_equal(proto, model)


def test_a_slice_of_two_axes_stays() -> None:
    """Without axes a Slice cuts as many of them as it has bounds."""
    g = GraphMaker()
    table, rows = g.const(np.zeros((4, WIDTH), np.float32)), g.input("x", (4, WIDTH))
    summed = g.op("ScatterND", table, g.const([[0], [3], [1], [3]]), rows, reduction="add")
    proto = g.model(out=g.op("Slice", summed, g.const([0, 1]), g.const([3, 3])))
    model = rewritten(proto)
    assert operators(model)["Slice"] == 1
    require_equal(proto, model)


def test_places_that_something_else_reads_are_summed() -> None:
    """A second reader sees all places."""
    g = GraphMaker()
    table, rows = g.const(np.zeros((4, WIDTH), np.float32)), g.input("x", (4, WIDTH))
    summed = g.op("ScatterND", table, g.const([[0], [3], [1], [3]]), rows, reduction="add")
    proto = g.model(out=g.op("Slice", summed, g.const([0]), g.const([3])), beside=g.op("Relu", summed))
    model = rewritten(proto)
    feeds = random_feeds(proto)
    got, wanted = run(ir.to_proto(model), feeds), run(proto, feeds)
    for name, array in wanted.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-6, atol=1e-6)


def test_two_sums_of_a_place_are_added() -> None:
    """Of three rows two are summed as a run; its sum and the third take an addition, not a sum over an axis."""
    proto = addition("ScatterND", np.array([0, 2, 0, 0]), 5)
    model = rewritten(proto)
    assert operators(model)["Add"] == 1 and operators(model)["ReduceSum"] == 1
    require_equal(proto, model)


def test_no_rows_of_elements_are_added() -> None:
    """A ScatterElements that adds nothing is what it adds to."""
    proto = addition("ScatterElements", np.empty(0, int), 4)
    require_equal(proto, rewritten(proto))


def test_a_slice_may_leave_no_place_of_an_inner_axis() -> None:
    """Rows (1, 5, 3) of which a Slice of the second axis leaves none are a constant without elements."""
    g = GraphMaker()
    rows, table = g.input("x", (1, 2, WIDTH)), g.const(np.zeros((1, 5, WIDTH), np.float32))
    index = g.const(np.full((1, 2, WIDTH), 4))
    summed = g.op("ScatterElements", table, index, rows, axis=1, reduction="add")
    proto = g.model(out=g.op("Slice", summed, g.const([3]), g.const([3]), g.const([1])))
    require_equal(proto, rewritten(proto))
