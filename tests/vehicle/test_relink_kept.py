"""Models that drop points before they number cells, as BEVDet does, are served and witnessed like others."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from specialize.artifact import Build
from specialize.binding.table_inputs import program_of
from specialize.binding.table_program import BEVPOOL, RELINK, linked, read_link
from specialize.calibration.load import load_profile
from specialize.compiler.build import build
from specialize.request import BuildRequest
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_kept import CAMERAS, CHANNELS, COLUMNS, DEPTHS, ROWS, SPEC, write_kept
from tests.vehicle import linking
from tests.vehicle.linking import Linker, compare, vehicles


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build with tables of such a model, beside the model."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        request = {"calib": CAR42, "model": str(write_kept(folder / "model")), "mode": "tables"}
        build(BuildRequest(**request, capacity_over=(CAR43,), output=folder / "build", frames=1))  # type: ignore[arg-type]
    return folder / "build"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return what runs programs in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


def test_both_programs_are_there(kept: Path) -> None:
    """The tables and the arrays of BEVPoolV2 are made on the car, and the witness saw every lifted point."""
    manifest = Build.open(kept).manifest
    assert program_of(Build.open(kept)).declined == ""
    assert manifest.options["tables"]["relink"]["bevpool"] == BEVPOOL
    assert manifest.witness is not None and manifest.witness.frustum is not None
    assert not manifest.witness.not_witnessed


@pytest.mark.parametrize("file", [RELINK, BEVPOOL])
def test_executors_agree(kept: Path, library: ctypes.CDLL, file: str) -> None:
    """The same bytes, or the same refusal, for vehicles near and far."""
    linker = Linker(library, read_link(kept / file))
    assert {compare(linker, profile) for profile in vehicles(30, 900)} == {False, True}


def test_the_engine_serves_another_car(kept: Path) -> None:
    """With the tables of car43 it gives what the model gives with its calibration."""
    profile, random = load_profile(CAR43), np.random.default_rng(3)
    joint = random.standard_normal((CAMERAS, DEPTHS + CHANNELS, ROWS, COLUMNS)).astype(np.float32)
    (given,) = SPEC.calibration_arrays(profile).values()
    original = onnxruntime.InferenceSession(str(kept.parent / "model" / "kept.onnx"))
    (wanted,) = original.run(None, {"joint": joint, "img2lidar": given[None].astype(np.float32)})
    tables = linked(read_link(kept / RELINK), profile, profile.camera_names())
    engine = onnxruntime.InferenceSession(str(kept / "model.onnx"))
    (got,) = engine.run(None, {"joint": joint, **tables})
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_features_are_narrowed_before_they_are_repeated(kept: Path) -> None:
    """Rows of pixels, read once for each depth, are gathered without the channels that hold depths."""
    graph = onnx.load(str(kept / "model.onnx"), load_external_data=False).graph
    producers = {name: node for node in graph.node for name in node.output}
    gathers = [
        node for node in graph.node if node.op_type == "Gather" and node.input[1].startswith("table.rows")
    ]
    assert len(gathers) == 2
    above = [producers[node.input[0]] for node in gathers]
    while any(node.op_type in ("Reshape", "Transpose") for node in above):
        above = [
            producers[node.input[0]] if node.op_type in ("Reshape", "Transpose") else node for node in above
        ]
    assert {node.op_type for node in above} == {"Slice", "Softmax"}
