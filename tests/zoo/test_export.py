"""`specialize export`: a checkpoint goes in, one ONNX file with the promised names and shapes comes out."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

import onnx_ir as ir
import pytest
import torch

from specialize import zoo
from specialize.zoo import export
from specialize.zoo.about import interfaces
from specialize.zoo.bevfusion import build
from tests.cli.running import run_here

pytestmark = pytest.mark.torch

HEAD = "bevfusion_head.bbox"


def _checkpoint(path: Path, **changes: torch.Tensor | None) -> Path:
    """Write a checkpoint of the head, some keys changed or, with None, left out."""
    state: dict[str, torch.Tensor | None] = {**build(HEAD).state_dict(), **changes}
    torch.save({"state_dict": {key: value for key, value in state.items() if value is not None}}, path)
    return path


def test_a_checkpoint_becomes_a_file_of_the_promised_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, types and shapes are those that `specialize models` lists; a checkpoint needs no warning."""
    checkpoint, path = _checkpoint(tmp_path / "whole.pth"), tmp_path / "parts" / "head.bbox.onnx"
    ran = run_here(capsys, "export", "--model", HEAD, "--checkpoint", checkpoint, "-o", path, "--json")
    assert ran.code == 0, ran.err
    said, graph, want = json.loads(ran.out), ir.load(path).graph, interfaces()[HEAD]
    assert (said["output"], said["warnings"]) == (str(path), [])
    for values, shapes in ((graph.inputs, want.inputs), (graph.outputs, want.outputs)):
        found = [
            (value.name, value.dtype and value.dtype.numpy().name, tuple(value.shape or ()))
            for value in values
        ]
        assert found == [(shape.name, shape.dtype, shape.shape) for shape in shapes]


def test_a_checkpoint_that_does_not_fit_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, unexpected and misshapen weights are named together, and nothing is written."""
    key = next(key for key in build(HEAD).state_dict() if key.endswith("shared_conv.bias"))
    gone = next(key for key in build(HEAD).state_dict() if key.endswith("shared_conv.weight"))
    changes = {gone: None, key: torch.zeros(3), "heads.object.stranger": torch.zeros(1)}
    checkpoint, path = _checkpoint(tmp_path / "whole.pth", **changes), tmp_path / "head.onnx"
    ran = run_here(capsys, "export", "--model", HEAD, "--checkpoint", checkpoint, "-o", path)
    assert ran.code == 1
    assert ran.err.count("error:") == 1
    for part in (
        f"1 missing: {gone}",
        "1 unexpected: heads.object.stranger",
        f"1 of another shape: {key} [3]",
    ):
        assert part in ran.err
    assert not path.exists()


@pytest.mark.parametrize(
    "part", ["bevfusion_camera.backbone", "bevfusion_camera.vtransform", "bevfusion_fuser", HEAD]
)
def test_the_files_of_a_deployment_fit_together(part: str) -> None:
    """What a part of BEVFusion takes, besides sensors and calibration, another part gives in that shape."""
    outputs = {
        shape.shape
        for name in zoo.MODELS
        if name.startswith("bevfusion")
        for shape in interfaces()[name].outputs
    }
    given = {"img", "depth", "lidar", *(zoo.spec(part).calibration_inputs), *zoo.spec(part).other_inputs}
    assert {shape.shape for shape in interfaces()[part].inputs if shape.name not in given} <= outputs


def test_weights_do_not_outlive_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever builds from an export at once needs the memory; the exporter keeps the last graph that it rewrote."""
    made: list[weakref.ref[torch.nn.Parameter]] = []
    create = export.create

    def noted(name: str, checkpoint: str | None, seed: int) -> torch.nn.Module:
        model = create(name, checkpoint, seed)
        made.extend(weakref.ref(weight) for weight in model.parameters())
        return model

    monkeypatch.setattr(export, "create", noted)
    export.export_generic(HEAD, None, tmp_path / "head.onnx", 0)
    gc.collect()
    left = [weight.untyped_storage().nbytes() for each in made if (weight := each()) is not None]
    assert made and sum(left) == 0
