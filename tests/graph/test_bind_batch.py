"""A batch without a number is 1; what may be cameras is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from specialize.artifact import Build
from specialize.errors import InputError
from specialize.graph.bind_batch import bind_batch
from specialize.graph.shapes import dims, is_static
from specialize.passes.bind import bind
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import CHANNELS, GRID, SPEC, tiny_model
from tests.graphs import GraphMaker


def model_of(**shapes: tuple[int | str, ...]) -> ir.Model:
    """Return a model with inputs of these shapes."""
    g = GraphMaker()
    names = [g.op("Neg", g.input(name, shape)) for name, shape in shapes.items()]
    return ir.from_proto(g.model(**{f"out{index}": name for index, name in enumerate(names)}))


def shapes_of(model: ir.Model) -> dict[str, tuple[int, ...]]:
    """Return the inputs whose shapes are numbers."""
    return {str(value.name): dims(value) for value in model.graph.inputs if is_static(value)}


def test_a_batch_that_leads_is_one_wherever_it_stands() -> None:
    """One name is one number: a recurrent state has its batch in the middle."""
    model = model_of(img=("batch", 6, 3, 8, 8), lidar2img=("batch", 6, 4, 4), state=(50, "batch", 8))
    assert bind_batch(model) == {"batch": "img, lidar2img, state"}
    assert shapes_of(model) == {"img": (1, 6, 3, 8, 8), "lidar2img": (1, 6, 4, 4), "state": (50, 1, 8)}


@pytest.mark.parametrize("shape", [("cams", 4, 4), ("k", 4, 4), ("num_views", 3, 8, 8)])
def test_what_may_be_cameras_is_no_batch(shape: tuple[int | str, ...]) -> None:
    """The number of cameras is not made up."""
    model = model_of(matrix=shape)
    assert bind_batch(model) == {}
    assert shapes_of(model) == {}


def test_another_axis_is_an_error_that_says_how_to_set_it() -> None:
    """A number of queries that is left open is named with its axis and the command that sets it."""
    model = model_of(query=(1, "num_query", 8), lidar2img=(6, 4, 4))
    bind_batch(model)
    with pytest.raises(InputError, match="num_query") as caught:
        bind(model, {})
    assert "make_dynamic_shape_fixed --dim_param num_query" in str(caught.value)


@pytest.fixture
def open_batch(tmp_path: Path, store_dir: Path) -> Path:
    """Write the tiny model with a batch that has a name instead of a number."""
    proto = tiny_model()
    for value in proto.graph.input:
        if value.type.tensor_type.shape.dim[0].dim_value == 1:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del proto.graph.value_info[:]
    path = tmp_path / "open.onnx"
    onnx.save(proto, path)
    path.with_suffix(".model.yaml").write_text(SPEC.to_text())
    return path


def test_a_build_binds_the_batch_and_says_so(
    open_batch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is built, its inputs have batch 1, and the manifest has a note."""
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", open_batch, "-o", tmp_path / "build")
    assert ran.code == 0, ran.err
    manifest = Build.open(tmp_path / "build").manifest
    assert manifest.inputs[0].shape == (1, GRID.queries, CHANNELS)
    (note,) = [note for note in manifest.passes if note.name == "batch"]
    assert (note.where, note.reason) == ("query, lidar2img", "symbolic batch axis 'batch' is 1")


def test_inspect_finds_the_calibration_behind_a_symbolic_batch(
    open_batch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The batch is reported, and no longer taken for a number of cameras."""
    open_batch.with_suffix(".model.yaml").unlink()
    ran = run_here(capsys, "inspect", open_batch, "--json")
    data = json.loads(ran.out)
    assert list(data["calibration_inputs"]) == ["lidar2img"]
    assert (data["rig"], data["obstacle"]) == ("car42", "")
    assert data["notes"][0]["reason"] == "symbolic batch axis 'batch' is 1"
