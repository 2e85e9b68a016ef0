"""A part that is run for some rows at a time gives what the whole part gives, operator by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from specialize.verify.by_rows import ByRows, by_rows
from specialize.verify.parts import open_part
from specialize.verify.row_axes import Facts, input_axes

ROWS = 60
SEED = 3

BY_ROWS = {
    "Add": "y = Add(e, same)",
    "Mul of rows without the first axis": "y = Mul(e, row)",
    "Div by one number": "y = Div(e, one)",
    "Where": "y = Where(mask, e, same)",
    "MatMul": "y = MatMul(e, w)",
    "MatMul of a batch": "t = Transpose <perm = [1, 0, 2]> (e) m = MatMul(t, w) y = Transpose <perm = [1, 0, 2]> (m)",
    "Softmax": "y = Softmax <axis = -1> (e)",
    "LayerNormalization": "y = LayerNormalization <axis = -1> (e, scale)",
    "ReduceSum": "y = ReduceSum <keepdims = 1> (e, last)",
    "ReduceMax, fewer axes": "y = ReduceMax <axes = [0], keepdims = 0> (e)",
    "Reshape": "y = Reshape(e, halves)",
    "Reshape to the rest": "y = Reshape(e, rest)",
    "Unsqueeze": "y = Unsqueeze(e, last)",
    "Concat": "y = Concat <axis = 2> (e, same)",
    "Split": "y, z = Split <axis = 2> (e, parts)",
    "Slice": "y = Slice(e, starts, ends, last)",
    "Gather on another axis": "y = Gather <axis = 2> (e, one_place)",
    "Expand": "r = ReduceMax <axes = [0, 2], keepdims = 1> (e) y = Expand(r, full)",
    "Clip": "y = Clip(e, one)",
}
WHOLE = {
    "Softmax over the rows": "y = Softmax <axis = 1> (e)",
    "CumSum": "y = CumSum(e, first)",
    "Slice of the rows": "s = Slice(e, starts, ends, first) p = Pad(s, pads) y = Add(p, e)",
    "Reshape that mixes rows": "m = Reshape(e, mixed) y = Reshape(m, back)",
    "Reshape with rows in front": "m = Reshape(e, front) y = Transpose <perm = [1, 0, 2]> (m)",
    "Concat of rows": "y = Concat <axis = 1> (e, same)",
    "Gather of rows": "y = Gather <axis = 1> (e, order)",
    "Transpose and product over the rows": "t = Transpose <perm = [0, 2, 1]> (e) g = MatMul(t, e) y = MatMul(e, g)",
}
NUMBERS = {
    "one": np.float32(0.7), "w": (6, 5), "wide": (6, ROWS), "scale": (6,), "same": (2, ROWS, 6),
    "row": (ROWS, 6), "last": [2], "first": [1],
    "halves": [2, ROWS, 2, 3], "rest": [2, ROWS, -1], "parts": [2, 4], "starts": [1], "ends": [4], "one_place": 3,
    "full": [2, ROWS, 6], "mixed": [4, ROWS // 2, 6], "back": [2, ROWS, 6], "front": [ROWS, 2, 6],
    "order": list(range(ROWS))[::-1],
    "pads": [0, 0, 0, 0, ROWS - 3, 0],
}  # fmt: skip


def _part(body: str, opset: int = 17) -> onnx.ModelProto:
    """Return a model of one result: `body` reads e = exp(x), and constants."""
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> part (float[2,{ROWS},6] x) => (float[] y) {{\n'
        f"e = Exp(x)\n{body}\n}}"
    )
    del model.graph.output[:]
    model.graph.output.add().name = "y"
    random = np.random.default_rng(SEED)
    read = {name for node in model.graph.node for name in node.input}
    for name, number in NUMBERS.items():
        if isinstance(number, tuple):
            array = random.standard_normal(number).astype(np.float32)
        else:
            array = np.asarray(number, np.float32 if name == "one" else np.int64)
        if name in read:
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    if "mask" in read:
        mask = random.random((2, ROWS, 1)) < 0.5
        model.graph.initializer.append(onnx.numpy_helper.from_array(mask, "mask"))
    return model


def _results(model: onnx.ModelProto, cut: ByRows, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what the whole part computes, and what its pieces do."""
    x = np.random.default_rng(SEED + 1).standard_normal((2, ROWS, 6)).astype(np.float32)
    whole = open_part(model, folder, 1).run({"x": x})["y"]
    values = {"x": x, **cut.constants}
    if cut.head is not None:
        values |= open_part(cut.head, folder, 1).run(values)
    runner = open_part(cut.rows, folder, 1)
    return whole, np.concatenate([runner.run(piece)["y"] for piece in cut.pieces(values)], axis=cut.axis)


def _cut(model: onnx.ModelProto, folder: Path) -> ByRows | None:
    return by_rows(model, (), folder, most=2000)


@pytest.mark.parametrize("case", BY_ROWS)
def test_rows_are_computed_a_few_at_a_time(case: str, tmp_path: Path) -> None:
    """All of the part runs on rows, and the pieces together are the whole, bit by bit."""
    model = _part(BY_ROWS[case])
    cut = _cut(model, tmp_path)
    assert cut is not None and cut.step < ROWS and cut.count == ROWS
    assert cut.head is None and len(cut.rows.graph.node) == len(model.graph.node)
    whole, pieces = _results(model, cut, tmp_path)
    assert np.array_equal(whole, pieces)


@pytest.mark.parametrize("case", WHOLE)
def test_what_mixes_rows_is_computed_once_for_all(case: str, tmp_path: Path) -> None:
    """An operator that reads other rows belongs to the head; what is behind it may run on rows."""
    model = _part(f"{WHOLE[case].replace('y = ', 'v = ')} n = Neg(v) y = Exp(n)")
    cut = _cut(model, tmp_path)
    assert cut is not None and cut.head is not None
    assert [node.op_type for node in cut.rows.graph.node][-2:] == ["Neg", "Exp"]
    whole, pieces = _results(model, cut, tmp_path)
    assert np.array_equal(whole, pieces)


def test_a_value_that_is_wanted_whole_as_well_is_computed_once(tmp_path: Path) -> None:
    """Each row weighs all rows of a value, and is computed from its own: the value is the head's, and read twice."""
    model = _part("t = MatMul(e, wide) s = Softmax <axis = -1> (t) y = MatMul(s, e)")
    cut = _cut(model, tmp_path)
    assert cut is not None and cut.head is not None
    assert sorted(cut.feeds.values(), key=str) == [("e", 1), ("e", None)]
    whole, pieces = _results(model, cut, tmp_path)
    assert np.allclose(whole, pieces, rtol=1e-6)


def test_what_follows_from_the_calibration_alone_is_computed_once(tmp_path: Path) -> None:
    """Geometry is not computed anew for each piece."""
    model = _part("k = Add(e, same) n = Neg(k) y = Mul(n, k)")
    cut = by_rows(model, ("x",), tmp_path, most=2000)
    assert cut is None  # all of it follows from x


def test_a_small_part_stays_whole(tmp_path: Path) -> None:
    """A part whose values all fit is not cut."""
    assert by_rows(_part("y = Neg(e)"), (), tmp_path, most=1 << 20) is None


def test_places_are_rows_of_what_is_sampled_there(tmp_path: Path) -> None:
    """GridSample: an image (N, C, H, W) at places (N, H', W', 2)."""
    node = onnx.helper.make_node("GridSample", ["image", "places"], ["y"])
    shapes = {"image": (6, 32, 15, 25), "places": (6, 100, 8, 2), "y": (6, 32, 100, 8)}
    facts = Facts(shapes, {}, 17)
    assert input_axes(node, 2, facts) == (None, 1)
    assert input_axes(node, 3, facts) == (None, 2)
    assert input_axes(node, 1, facts) is None


def test_softmax_before_opset_13_is_about_all_axes_behind_its_own(tmp_path: Path) -> None:
    """There, a row behind the axis depends on the others."""
    node = onnx.helper.make_node("Softmax", ["x"], ["y"], axis=0)
    shapes = {"x": (4, 9), "y": (4, 9)}
    assert input_axes(node, 1, Facts(shapes, {}, 13)) == (1,)
    assert input_axes(node, 1, Facts(shapes, {}, 11)) is None
