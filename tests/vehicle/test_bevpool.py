"""The five arrays of `BEVPoolV2`: as the upstream makes them, by both executors, and with the sums of the model."""

from __future__ import annotations

import ctypes
import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from specialize.artifact.tensors import read_tensors
from specialize.binding import make_tables
from specialize.binding.relink.program import Program
from specialize.binding.table_program import BEVPOOL, linked, read_link
from specialize.calibration.camera import Camera
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import StaleError, VerificationError
from tests.cli.running import CAR42, CAR43, run_here
from tests.end_to_end.tiny_lift import (
    CAMERAS,
    CHANNELS,
    COLUMNS,
    DEPTHS,
    ROWS,
    SPEC,
    X_CELLS,
    Y_CELLS,
    cells_of,
    lift_model,
)
from tests.graphs import GraphMaker
from tests.vehicle import compiling, linking
from tests.vehicle.linking import Linker, compare, vehicles

Arrays = dict[str, np.ndarray]
NAMES = ("ranks_depth", "ranks_feat", "ranks_bev", "interval_starts", "interval_lengths")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return what runs programs in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


@pytest.fixture(scope="module", params=["yx", "xy"])
def program(request: pytest.FixtureRequest, pooled: Path, pooled_x_first: Path) -> Program:
    """Return the program of a model that counts cells along y first, and of one that begins with x."""
    return read_link((pooled if request.param == "yx" else pooled_x_first) / BEVPOOL)


def upstream(profile: CalibrationProfile) -> Arrays:
    """Return what `voxel_pooling_prepare_v2` of BEVDet gives, of the cells that the model's graph computes."""
    make = GraphMaker()
    proto = make.model(cells=cells_of(make, make.input("img2lidar", (1, CAMERAS, 4, 4)), "yx"))
    (given,) = SPEC.calibration_arrays(profile).values()
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (cells,) = session.run(None, {"img2lidar": given[None].astype(np.float32)})
    points = np.arange(CAMERAS * DEPTHS * ROWS * COLUMNS)
    pixels = np.arange(CAMERAS * ROWS * COLUMNS).reshape(CAMERAS, 1, ROWS, COLUMNS)
    pixels = np.broadcast_to(pixels, (CAMERAS, DEPTHS, ROWS, COLUMNS)).reshape(-1)
    kept = cells < X_CELLS * Y_CELLS  # the rank of x, y and z is z * Y * X + y * X + x
    rank, depth, feature = cells[kept], points[kept], pixels[kept]
    order = np.argsort(rank, kind="stable")
    rank, depth, feature = rank[order], depth[order], feature[order]
    starts = np.flatnonzero(np.append(True, rank[1:] != rank[:-1]))
    lengths = np.append(starts[1:], len(rank)) - starts
    return dict(zip(NAMES, (depth, feature, rank, starts, lengths), strict=True))


def operator(arrays: Arrays, weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return what the kernel of `BEVPoolV2` writes, (Y * X, C): one cell per interval."""
    out = np.zeros((X_CELLS * Y_CELLS, CHANNELS))
    by_pixel = features.transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
    for start, length in zip(arrays["interval_starts"], arrays["interval_lengths"], strict=True):
        total = np.zeros(CHANNELS)
        for at in range(start, start + length):
            total += weights.reshape(-1)[arrays["ranks_depth"][at]] * by_pixel[arrays["ranks_feat"][at]]
        out[arrays["ranks_bev"][start]] = total
    return out


@pytest.mark.parametrize("calib", [CAR42, CAR43], ids=["car42", "car43"])
def test_arrays_are_those_of_upstream(calib: Path, program: Program) -> None:
    """The same numbers, then the last point and the last interval again."""
    profile = load_profile(calib)
    found, wanted = linked(program, profile, profile.camera_names()), upstream(profile)
    assert tuple(sorted(found)) == tuple(sorted(NAMES))
    for name, array in found.items():
        assert array.dtype == np.int32
        count = len(wanted[name])
        assert count <= array.size
        np.testing.assert_array_equal(array[:count], wanted[name], err_msg=name)
        assert (array[count:] == wanted[name][-1]).all()
    assert found["ranks_bev"].size > len(wanted["ranks_bev"]) or calib is CAR43


def test_the_operator_gives_the_sums_of_the_model(program: Program) -> None:
    """Pooled by the arrays of car43, weights and features give what the original graph gives."""
    random, profile = np.random.default_rng(9), load_profile(CAR43)
    weights = random.random((CAMERAS, DEPTHS, ROWS, COLUMNS)).astype(np.float32)
    features = random.standard_normal((CAMERAS, CHANNELS, ROWS, COLUMNS)).astype(np.float32)
    (given,) = SPEC.calibration_arrays(profile).values()
    model = onnxruntime.InferenceSession(lift_model().SerializeToString())
    feeds = {"weights": weights, "features": features, "img2lidar": given[None].astype(np.float32)}
    (wanted,) = model.run(None, feeds)
    arrays = linked(program, profile, profile.camera_names())
    np.testing.assert_allclose(operator(arrays, weights, features), wanted, rtol=1e-4, atol=1e-4)


def test_both_executors_agree(program: Program, library: ctypes.CDLL) -> None:
    """On 150 calibrations: the same bytes, or the same number of points too many."""
    linker = Linker(library, program)
    fits = [compare(linker, profile) for profile in vehicles(150, seed=60)]
    assert 10 < sum(fits) < 150


def test_points_that_do_not_fit_are_counted(program: Program) -> None:
    """Nothing is cut off: the error says how many points there are and may be."""
    told = []
    for profile in vehicles(30, seed=60):
        try:
            linked(program, profile, profile.camera_names())
        except StaleError as error:
            told.append(str(error))
    assert told and all(" points too many (" in each for each in told)


def test_a_car_that_sees_no_cell_adds_nothing(program: Program, library: ctypes.CDLL) -> None:
    """Cameras far outside of the box: every interval is empty, and both executors say so."""
    cameras = []
    for camera in load_profile(CAR42).cameras:
        assert camera.intrinsic is not None and camera.camera_from_lidar is not None
        pose = np.array(camera.camera_from_lidar)
        pose[:3, 3] += 500.0
        size = (camera.width_px, camera.height_px)
        cameras.append(Camera.pinhole(camera.name, size, np.array(camera.intrinsic), pose))
    away = CalibrationProfile("away", tuple(cameras), load_profile(CAR42).ego_from_lidar)
    arrays = linked(program, away, away.camera_names())
    assert not any(array.any() for array in arrays.values())
    assert compare(Linker(library, program), away)


def test_the_tool_writes_the_bytes_of_the_command(
    pooled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vehicle export --bevpool`, then `guard relink`: the file of `table --bevpool`."""
    compiling.gxx()
    tool, car, table, own = (tmp_path / name for name in ("guard", "car", "table.safetensors", "own"))
    run_here(capsys, "vehicle", "tool", "-o", tool)
    assert run_here(capsys, "vehicle", "export", pooled, "-o", car, "--bevpool").code == 0
    run_here(capsys, "vehicle", "pack", "--calib", CAR43, "-o", car / "today.bin")
    ran = run_here(capsys, "table", "--calib", CAR43, "--for", pooled, "--bevpool", "-o", table)
    assert ran.code == 0, ran.err
    words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", own]
    assert subprocess.run(words, check=False).returncode == 0
    assert own.read_bytes() == table.read_bytes()
    assert set(read_tensors(table)[0]) == set(NAMES)


def test_a_build_without_them_says_why(
    builds: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that does not pool has no such arrays, for the command and for the car."""
    output = tmp_path / "out"
    commands = (
        ("table", "--calib", CAR43, "--for", builds["tables"], "--bevpool", "-o", output),
        ("vehicle", "export", builds["tables"], "--bevpool", "-o", output),
    )
    for command in commands:
        ran = run_here(capsys, *command)
        assert ran.code == 2
        assert "none: an engine with 0 poolings" in ran.err
        assert not output.exists()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arrays_are_not_written(
    name: str, pooled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness compares them before they are written."""

    def wrong(*arguments: object) -> Arrays:
        made = {each: array.copy() for each, array in linked(*arguments).items()}  # type: ignore[arg-type]
        made[name][0] = made[name][-1] + (name == "interval_starts")
        return made

    monkeypatch.setattr(make_tables, "linked", wrong)
    with pytest.raises(VerificationError, match="arrays of the pooling"):
        make_tables.make_table(pooled, CAR43, tmp_path / "out", bevpool=True)
    assert not (tmp_path / "out").exists()


def test_every_camera_counts(program: Program) -> None:
    """Cameras in another order give other arrays: the comparisons above can fail."""
    own = load_profile(CAR42)
    names = own.camera_names()
    turned = [
        dataclasses.replace(camera, name=name)
        for camera, name in zip((*own.cameras[1:], own.cameras[0]), names, strict=True)
    ]
    other = dataclasses.replace(own, cameras=tuple(turned))
    one, two = (linked(program, each, names)["ranks_depth"] for each in (own, other))
    assert (one != two).any()
