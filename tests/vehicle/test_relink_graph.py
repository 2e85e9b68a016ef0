"""`relink.onnx` beside the contract: a static graph that makes the bytes of the program in another runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from specialize.artifact import Build
from specialize.binding.relink.graph import FITS
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.places import DoesNotFitError
from specialize.binding.relink.program import INPUTS, Program
from specialize.binding.relink.run import run
from specialize.binding.table_program import GRAPH, RELINK, read_link
from specialize.calibration.profile import CalibrationProfile
from tests.cli.running import run_here
from tests.vehicle.linking import vehicles
from tests.vehicle.test_borderline import on_the_border


@pytest.fixture(scope="module", params=["tables", "padded", "pooled"])
def folder(request: pytest.FixtureRequest, builds: Mapping[str, Path], pooled: Path) -> Path:
    """Return a build in mode tables, in both layouts, and of a model that pools."""
    return pooled if request.param == "pooled" else builds[request.param]


@pytest.fixture(scope="module")
def car(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what `specialize vehicle export` writes for it."""
    from specialize.vehicle.export import export_build

    path = tmp_path_factory.mktemp("car") / "out"
    assert not export_build(folder, path).notes
    return path


def test_the_graph_is_static(car: Path) -> None:
    """No NonZero, no dimension without a number, and the calibration as a program reads it goes in."""
    model = onnx.load(car / GRAPH)
    onnx.checker.check_model(model, full_check=True)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"NonZero", "Compress", "Unique", "Loop", "If", "Scan", "MatMul", "Gemm"}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    known = {*(value.name for value in (*inferred.graph.value_info, *inferred.graph.output))}
    assert known >= {name for node in model.graph.node for name in node.output if name}
    for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
        assert all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim), value.name
    assert [value.name for value in model.graph.input] == list(INPUTS)
    assert {value.domain for value in model.opset_import} == {""}


def test_a_runtime_makes_the_same_bytes(folder: Path, car: Path) -> None:
    """ONNX Runtime gives the bytes of the program, at an image border too, and says what does not fit."""
    build = Build.open(folder)
    program = read_link(build.file(RELINK))
    assert build.file(GRAPH).read_bytes() == (car / GRAPH).read_bytes()
    session = onnxruntime.InferenceSession(str(car / GRAPH))
    fits = [same(session, program, profile) for profile in (*vehicles(60, seed=77), on_the_border()[0])]
    assert {True, False} == set(fits)


def same(session: onnxruntime.InferenceSession, program: Program, profile: CalibrationProfile) -> bool:
    """Require the same of a runtime and of the program; return whether the calibration fits."""
    given = calibration_of(profile)
    found: dict[str, np.ndarray] = dict(
        zip(
            [each.name for each in session.get_outputs()],
            session.run(None, {name: getattr(given, name) for name in INPUTS}),
            strict=True,
        )
    )
    try:
        expected = run(program, given)
    except DoesNotFitError:
        assert not found[FITS]
        return False
    assert found.pop(FITS)
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }
    return True


def test_a_build_without_tables_has_none(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exact build is exported without it."""
    assert run_here(capsys, "vehicle", "export", builds["exact"], "-o", tmp_path / "car").code == 0
    assert not (tmp_path / "car" / GRAPH).exists()
