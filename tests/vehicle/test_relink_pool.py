"""Tables of a pooling on the vehicle: points sorted into cells by both executors, as the compiler sorts them."""

from __future__ import annotations

import ctypes
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from specialize.artifact import Build
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.places import DoesNotFitError
from specialize.binding.relink.program import Op
from specialize.binding.relink.run import run
from specialize.binding.table_inputs import program_of
from specialize.binding.table_program import RELINK, linked, read_link
from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.build import build as build_model
from specialize.errors import StaleError, VerificationError
from specialize.request import BuildRequest
from specialize.vehicle.words import Reason
from tests import shared_files
from tests.cli.running import CAR42, CAR43, run_here
from tests.end_to_end.tiny_lift import (
    CAMERAS,
    CHANNELS,
    COLUMNS,
    DEPTHS,
    RANGE_M,
    ROWS,
    SPEC,
    X_CELLS,
    Y_CELLS,
    lift_model,
    spec_of,
    write_lift,
)
from tests.vehicle import compiling, linking
from tests.vehicle.linking import Linker, compare, vehicles
from tests.vehicle.test_relink import agree, finished, one_camera, started


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return what runs programs in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


def refocused(factor: float) -> CalibrationProfile:
    """Return car42 with other focal lengths: points spread over more cells, or fewer."""
    own, cameras = load_profile(CAR42), []
    for camera in own.cameras:
        k = np.array(camera.intrinsic)
        k[:2, :2] *= factor
        assert camera.camera_from_lidar is not None
        size = (camera.width_px, camera.height_px)
        cameras.append(Camera.pinhole(camera.name, size, k, camera.camera_from_lidar))
    return CalibrationProfile("refocused", tuple(cameras), own.ego_from_lidar)


def test_both_executors_agree(pooled: Path, library: ctypes.CDLL) -> None:
    """On 300 calibrations: the same bytes, or the same number of blocks too many."""
    linker = Linker(library, read_link(pooled / RELINK))
    assert {Op.COUNT, Op.CUT, Op.LIST} <= {each.op for each in linker.program.instructions}
    fits = [compare(linker, profile) for profile in (*vehicles(300, seed=30), refocused(0.3), refocused(2))]
    assert 30 < sum(fits) < 302


def test_real_rigs(pooled: Path, library: ctypes.CDLL) -> None:
    """On the matrices of every real rig of six cameras."""
    linker, own, compared = Linker(library, read_link(pooled / RELINK)), load_profile(CAR42), 0
    for path in shared_files.calibrations():
        rig = parse_profile(shared_files.profile_document(path), path.name)
        if len(rig.cameras) == 6:
            named = [
                dataclasses.replace(camera, name=like.name)
                for camera, like in zip(rig.cameras, own.cameras, strict=True)
            ]
            compared += compare(linker, CalibrationProfile("car", tuple(named), rig.ego_from_lidar))
    assert compared > 20


def test_the_program_gives_what_the_compiler_gives(pooled: Path) -> None:
    """Compiling the model's part for a vehicle gives the same tables."""
    program = program_of(Build.open(pooled))
    compiled = dataclasses.replace(program, link=None)
    assert program.link is not None
    for profile in (load_profile(CAR42), load_profile(CAR43), *vehicles(3, seed=3)):
        try:
            expected = compiled.contents(profile)
        except StaleError as error:
            with pytest.raises(StaleError) as caught:
                program.contents(profile)
            assert str(caught.value) == str(error)
            continue
        for name, table in program.contents(profile).items():
            assert (table.dtype, table.shape) == (expected[name].dtype, expected[name].shape)
            np.testing.assert_array_equal(table, expected[name], err_msg=name)


def test_the_engine_pools_for_another_car(pooled: Path) -> None:
    """With the program's tables for car43 the engine gives what the model itself gives."""
    random, profile = np.random.default_rng(8), load_profile(CAR43)
    feeds = {
        "weights": random.random((CAMERAS, DEPTHS, ROWS, COLUMNS)).astype(np.float32),
        "features": random.standard_normal((CAMERAS, CHANNELS, ROWS, COLUMNS)).astype(np.float32),
    }
    tables = linked(read_link(pooled / RELINK), profile, profile.camera_names())
    engine = onnxruntime.InferenceSession(str(pooled / "model.onnx"))
    (given,) = SPEC.calibration_arrays(profile).values()
    model = onnxruntime.InferenceSession(lift_model().SerializeToString())
    (wanted,) = model.run(None, feeds | {"img2lidar": given[None].astype(np.float32)})
    (found,) = engine.run(None, feeds | tables)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    assert np.abs(wanted).max() > 10


@pytest.mark.parametrize("second", [(X_CELLS, Y_CELLS), (4, 5)], ids=["same cells", "fewer cells"])
def test_points_that_are_pooled_twice(
    second: tuple[int, int],
    library: ctypes.CDLL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two sums of the same points, into the same cells or into others, are served: executors, engine and command."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    model, folder, table = write_lift(tmp_path / "model", second=second), tmp_path / "build", tmp_path / "t"
    request = {"calib": CAR42, "model": str(model), "mode": "tables", "capacity_over": (CAR43,)}
    build_model(BuildRequest(**request, output=folder, frames=1))  # type: ignore[arg-type]
    witness = Build.open(folder).manifest.witness
    assert witness is not None and not witness.not_witnessed
    assert len(witness.other_frustums) == 1
    program, profile = read_link(folder / RELINK), load_profile(CAR43)
    linker = Linker(library, program)
    assert 5 < sum(compare(linker, each) for each in (profile, *vehicles(60, seed=90))) < 61
    ran = run_here(capsys, "table", "--calib", CAR43, "--for", folder, "-o", table)
    assert ran.code == 0, ran.err
    random = np.random.default_rng(8)
    feeds = {"weights": random.random((CAMERAS, DEPTHS, ROWS, COLUMNS)).astype(np.float32)}
    for name in ("features", "featuressecond"):
        feeds[name] = random.standard_normal((CAMERAS, CHANNELS, ROWS, COLUMNS)).astype(np.float32)
    (given,) = SPEC.calibration_arrays(profile).values()
    original = onnxruntime.InferenceSession(str(model))
    wanted = original.run(["bev", "second"], feeds | {"img2lidar": given[None].astype(np.float32)})
    engine = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    found = engine.run(["bev", "second"], feeds | linked(program, profile, profile.camera_names()))
    for got, expected, count in zip(found, wanted, (X_CELLS * Y_CELLS, second[0] * second[1]), strict=True):
        assert expected.shape == (count, CHANNELS)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("mode", ["exact", "tables"])
def test_a_second_grid_of_another_box_is_refused(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness compares every grid of cells: a box that is declared 1 m off is another model."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    model, (x0, *rest) = write_lift(tmp_path / "model", second=(4, 5)), RANGE_M
    wrong = spec_of((4, 5), (x0 + 1.0, *rest))  # type: ignore[arg-type]
    model.with_suffix(".model.yaml").write_text(wrong.to_text())
    request = {"calib": CAR42, "model": str(model), "mode": mode, "output": tmp_path / "build"}
    with pytest.raises(VerificationError, match="cells that are not"):
        build_model(BuildRequest(**request, frames=1))  # type: ignore[arg-type]


def test_the_tool_writes_the_bytes_of_the_command(
    pooled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`guard relink` and `specialize table` write the same file, or refuse with the same number of blocks."""
    compiling.gxx()
    tool, car, own = tmp_path / "guard", tmp_path / "car", tmp_path / "own.safetensors"
    run_here(capsys, "vehicle", "tool", "-o", tool)
    exported = run_here(capsys, "vehicle", "export", pooled, "-o", car)
    assert exported.code == 0 and (car / "relink.onnx").is_file()
    narrow = tmp_path / "narrow.yaml"
    narrow.write_text(dump_profile(refocused(1.5)))
    for calib in (CAR42, CAR43, narrow):
        table = tmp_path / f"{calib.stem}.safetensors"
        run_here(capsys, "vehicle", "pack", "--calib", calib, "-o", car / "today.bin")
        said = run_here(
            capsys, "table", "--calib", calib, "--for", pooled, "-o", table, "--allow", "field-of-view"
        )
        words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", own]
        own.unlink(missing_ok=True)
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        if calib is narrow:
            assert (said.code, ran.returncode) == (3, 3)
            assert not table.exists() and not own.exists()
            assert " blocks of 8 rows too many (" in ran.stderr
            assert ran.stderr.splitlines()[-1] in said.err
        else:
            assert (said.code, ran.returncode) == (0, 0), said.err + ran.stderr
            assert own.read_bytes() == table.read_bytes()


def test_table_imports_no_graph(pooled: Path, tmp_path: Path) -> None:
    """`specialize table` compares points with the witness without onnx, a runtime or scipy."""
    arguments = ["table", "--calib", str(CAR43), "--for", str(pooled), "-o", str(tmp_path / "t")]
    code = f"import sys; from specialize.cli.app import run; code = run({arguments!r}); print(code, *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = ran.stdout.splitlines()[-1].split()
    assert words[0] == "0"
    assert not {"onnx", "onnx_ir", "onnxruntime", "scipy", "networkx"} & set(words)


# ---- The operators by themselves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 8])
def test_points_are_counted_cut_and_listed(size: int, library: ctypes.CDLL) -> None:
    """Values outside are left out; every value begins a block; what is listed ends with the spare number."""
    random, assembler = np.random.default_rng(size), started()
    values = random.integers(-3, 12, 400)
    values[:3] = (np.iinfo(np.int64).min, np.iinfo(np.int64).max, 10)
    a, few = assembler.constant(values), assembler.constant(np.array([4, -1, 0, 4, 7, 2]))
    results = [
        assembler.count(a, 10, 400),
        assembler.cut(a, 10, 420 // size + 10, size),
        assembler.cut(few, 1, 2, size),
        assembler.listed(few, 6, 2, 6),
        assembler.listed(few, 8, 3, 100),
    ]
    program = finished(assembler, results)
    agree(library, program)
    found = run(program, calibration_of(one_camera()))
    inside = [value for value in values if 0 <= value < 10]
    assert found["t000"].tolist() == [inside.count(value) for value in range(10)]
    blocks = found["t001"].reshape(-1, size)
    for block in blocks:
        used = block[block >= 0]
        assert (block[: len(used)] == used).all() and (np.diff(used) > 0).all()
        assert len({int(values[each]) for each in used}) <= 1
    order = blocks[blocks >= 0]
    assert order.tolist() == sorted(np.flatnonzero((values >= 0) & (values < 10)), key=lambda at: values[at])
    assert found["t003"].tolist() == [[2, 6], [6, 6], [5, 6], [6, 6], [0, 3], [6, 6]]


def test_what_does_not_fit_is_counted(library: ctypes.CDLL) -> None:
    """Both report the largest count, or the number of blocks; a list that is too narrow is not a valid program."""
    values = np.array([1, 1, 1, 0, 5])
    for how, wanted, kept in (("count", 3, 2), ("cut", 4, 3), ("list", 0, 0)):
        assembler = started()
        a = assembler.constant(values)
        made = {
            "count": lambda make, a: make.count(a, 6, 2),
            "cut": lambda make, a: make.cut(a, 6, 3, 2),
            "list": lambda make, a: make.listed(a, 6, 2, 5),
        }[how](assembler, a)
        program = finished(assembler, [made])
        linker = Linker(library, program)
        reason, _ = linker.of(one_camera())
        if how == "list":
            assert reason == Reason.MALFORMED
            with pytest.raises(IndexError):
                run(program, calibration_of(one_camera()))
            continue
        assert reason == Reason.DOES_NOT_FIT
        said = linker.misfit
        with pytest.raises(DoesNotFitError) as caught:
            run(program, calibration_of(one_camera()))
        assert (caught.value.wanted, caught.value.kept) == ((wanted,), (kept,))
        both = (said.rows_per_cell, said.kept_rows_per_cell), (said.blocks, said.kept_blocks)
        assert both[how == "cut"] == (wanted, kept)
