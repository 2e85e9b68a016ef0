"""A model is described as it is, before it is built."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from specialize.cli.output import to_text
from specialize.cli.render_inspect import model_text
from specialize.errors import InputError
from specialize.explain.inspect import inspect_model
from specialize.graph.io import read_graph
from specialize.model.spec import parse_spec
from tests.cli.running import CAR42, run_here
from tests.drafting.deciding import decided
from tests.graphs import GraphMaker

# Six cameras; each of four queries is summed over the cameras whose depth row is positive at the origin.
MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
tiny (float[1,6,3,8,16] img, float[1,6,4,4] lidar2img, float[6,4,2] rows)
=> (float[4,2] summed, float[N] found)
<int64[1] start = {2}, int64[1] end = {3}, int64[1] axis = {2}, int64[1] last = {3}, int64[1] three = {3},
 int64[1] four = {4}, float zero = {0}, int64[1] cameras = {0}, int64[3] shape = {6, 1, 1}>
{
    depth_row = Slice(lidar2img, start, end, axis)
    depth = Slice(depth_row, three, four, last)
    seen = Greater(depth, zero)
    mask_flat = Cast<to = 1>(seen)
    mask = Reshape(mask_flat, shape)
    kept = Mul(rows, mask)
    summed = ReduceSum<keepdims = 0>(kept, cameras)
    places = NonZero(img)
    found = Cast<to = 1>(places)
}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the model above and return its path."""
    path = tmp_path / "tiny.onnx"
    onnx.save(onnx.parser.parse_model(MODEL), path)
    return path


def test_a_model_is_described(model: Path) -> None:
    """Inputs, operators, and what has no fixed shape are found; unknown dimensions are -1."""
    found = inspect_model(model)
    assert (found.opset, found.nodes) == (17, 9)
    assert [value.name for value in found.inputs] == ["img", "lidar2img", "rows"]
    assert found.outputs[1].shape == (-1,)
    assert found.data_dependent == {"NonZero": 1}
    assert list(found.operators)[:2] == ["Cast", "Slice"]
    assert (found.rig, found.obstacle) == ("car42", "")


def test_the_file_is_counted_not_a_copy_of_it(model: Path) -> None:
    """A file of opset 11 is reported as such, with its own nodes, although reading raises it to another opset."""
    g = GraphMaker(opset=11)
    shown = g.op("Squeeze", g.input("maps", (1, 6, 4)), axes=[0])
    onnx.save(g.model(out=g.op("ReduceSum", shown, axes=[0], keepdims=0)), model)
    found = inspect_model(model)
    assert (found.opset, found.nodes) == (11, 3)


def test_the_draft_of_a_sidecar_is_one(model: Path) -> None:
    """The draft names the calibration input and the image's size, and can be read."""
    found = inspect_model(model)
    spec = parse_spec(decided(found.sidecar), "draft")
    assert found.drafted
    assert found.calibration_inputs == {"lidar2img": "GUESS lidar2img"}
    assert spec.calibration_inputs == {"lidar2img": "lidar2img"}
    assert spec.image.size_px == (16, 8)


def test_a_sidecar_beside_the_model_is_used(model: Path) -> None:
    """What the sidecar says is shown, not a draft."""
    text = decided(inspect_model(model).sidecar).replace("name: tiny", "name: mine")
    model.with_suffix(".model.yaml").write_text(text)
    found = inspect_model(model)
    assert not found.drafted
    assert "name: mine" in found.sidecar


def test_a_calibration_shows_what_would_be_done(model: Path) -> None:
    """With a calibration, passes say what they do or why they decline."""
    found = inspect_model(model, calib=CAR42)
    assert {"bind", "fold"} <= {note.name for note in found.notes}
    assert all(note.reason for note in found.notes)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A truncated or missing file is an input error that names it."""
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x08\x12")
    for name in ("bad.onnx", "none.onnx"):
        with pytest.raises(InputError, match=name):
            inspect_model(tmp_path / name)


def test_the_command_shows_a_model(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    """`inspect` shows a model as text and as JSON of the same value."""
    text = run_here(capsys, "inspect", model)
    assert text.code == 0
    assert "shapes that depend on data: NonZero x1" in text.out
    assert "a draft" in text.out
    data = json.loads(run_here(capsys, "inspect", model, "--calib", CAR42, "--json").out)
    assert data["schema"] == "specialize/inspect@1"
    assert data["kind"] == "model"
    assert data["calibration_inputs"] == {"lidar2img": "GUESS lidar2img"}
    assert data["notes"]


def test_many_masks_are_counted_not_listed(model: Path) -> None:
    """A mask is computed in many steps, whose names would fill the screen; JSON has them all."""
    found = replace(inspect_model(model), masks=tuple(f"mask{number}" for number in range(8)))
    text = to_text(model_text(found))
    assert "masks: mask0, mask1 and 6 more" in text and "mask2" not in text
    assert len(found.masks) == 8


@pytest.mark.parametrize("place", ["output", "inner"])
def test_a_type_that_is_undefined_is_unknown(place: str, tmp_path: Path) -> None:
    """A file may say of a value that its type is undefined; it is shown as one without a type."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", 0 if place == "output" else TensorProto.FLOAT, [2])],
        value_info=[helper.make_tensor_value_info("y", 0, [2])] if place == "inner" else [],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    model = read_graph(path)
    assert all(value.dtype != ir.DataType.UNDEFINED for node in model.graph for value in node.outputs)
    assert inspect_model(path).outputs[0].dtype in ("unknown", "float32")
