"""A model whose GridSample has float64 places runs nowhere; it is built with a repair that is declared and measured."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from specialize.artifact import Build
from specialize.compiler.verify import verify
from specialize.explain.inspect import inspect_model
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import tiny_model, write_tiny

pytestmark = pytest.mark.usefixtures("store_dir")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the tiny model with float64 places and return its path."""
    path = write_tiny(tmp_path)
    onnx.save(tiny_model(wide=True), path)
    return path


def test_it_is_built_and_the_repair_is_declared(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Manifest and report say what was done to the reference, at which node, and what that changes."""
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", tmp_path / "car42")
    assert ran.code == 0, ran.err
    manifest = Build.intact(tmp_path / "car42").manifest
    assert manifest.source["reference"] == "with float64 places of GridSample cast to float32"
    (note,) = [note for note in manifest.passes if note.name == "repair"]
    assert note.applied and note.where.startswith("GridSample") and "float32" in note.reason
    assert any("1 GridSample reads them through a cast" in warning for warning in manifest.warnings)
    measured = [line for line in manifest.verify.notes if "evaluated in float64" in line]
    assert len(measured) == 1 and measured[0].startswith("1 GridSample")
    report = (tmp_path / "car42" / "report.html").read_text()
    assert "cast to float32" in report and "evaluated in float64" in report
    assert "float64" in run_here(capsys, "inspect", tmp_path / "car42").out
    assert verify(tmp_path / "car42").passed


def test_a_time_stamp_of_float64_stays_an_input(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seconds in float64 are no calibration and keep their type: the build is proven with stamps of that type."""
    proto = tiny_model()
    graph = proto.graph
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = ["unstamped" if name == output.name else name for name in node.output]
    graph.input.append(onnx.helper.make_tensor_value_info("timestamp", onnx.TensorProto.DOUBLE, [1]))
    graph.node.append(onnx.helper.make_node("Cast", ["timestamp"], ["seconds"], to=onnx.TensorProto.FLOAT))
    graph.node.append(onnx.helper.make_node("Add", ["unstamped", "seconds"], [output.name], name="stamp"))
    onnx.save(proto, model)
    assert "timestamp" not in inspect_model(model).calibration_inputs
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", tmp_path / "car42")
    assert ran.code == 0, ran.err
    stamps = [each for each in Build.intact(tmp_path / "car42").manifest.inputs if each.name == "timestamp"]
    assert [each.dtype for each in stamps] == ["float64"]


def test_inspect_promises_what_build_does(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The repair is among the notes, and the site is found."""
    ran = run_here(capsys, "inspect", "--calib", CAR42, model)
    assert ran.code == 0, ran.err
    assert "repair" in ran.out and "cast to float32" in " ".join(ran.out.split())
    assert "fewer camera-query pairs" in ran.out


def test_a_model_that_no_repair_opens_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the user's file and the operator; nothing is promised by inspect either."""
    wide = tiny_model(wide=True)
    sampling = next(node for node in wide.graph.node if node.op_type == "GridSample")
    next(each for each in sampling.attribute if each.name == "mode").s = b"bicubic"
    onnx.save(wide, model)
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", model)
    assert ran.code == 1
    assert f"{model}: expected a model that ONNX Runtime opens" in ran.err and "GridSample" in ran.err
    assert "not specialized" in run_here(capsys, "inspect", "--calib", CAR42, model).out
