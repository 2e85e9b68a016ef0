"""The guard from Python on the car, from the command line, and as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.vehicle import Guard
from specialize.vehicle.binary import FileRefusedError
from specialize.vehicle.contract import Contract
from specialize.vehicle.words import Reason, State
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.pyramid import Deviation
from tests.cli.running import CAR42, CAR43, run_here
from tests.vehicle import compiling

Cameras = list[dict[str, Any]]


@pytest.fixture(params=["native", "numpy"])
def guards(
    request: pytest.FixtureRequest, contracts: Mapping[str, Contract], library: Path
) -> dict[str, Guard]:
    """Return a guard per mode, through the library and without it."""
    path = library if request.param == "native" else None
    return {mode: Guard(contract.to_bytes(), path) for mode, contract in contracts.items()}


def cameras_of(profile: CalibrationProfile) -> Cameras:
    """Return cameras as a program on the car has them."""
    return [
        {
            "name": camera.name,
            "size_px": (camera.width_px, camera.height_px),
            "intrinsic": np.array(camera.intrinsic),
            "camera_from_lidar": np.array(camera.camera_from_lidar),
        }
        for camera in profile.cameras
    ]


def car42() -> Cameras:
    """Return the cameras of the builds' own vehicle."""
    return cameras_of(load_profile(CAR42))


def test_the_builds_own_calibration_is_fresh(guards: dict[str, Guard]) -> None:
    """In every mode, with K and pose, and with the product of both alone."""
    projections = load_profile(CAR42).image_from_lidar()
    bare = [
        {"name": camera["name"], "size_px": camera["size_px"], "image_from_lidar": matrix}
        for camera, matrix in zip(car42(), projections, strict=True)
    ]
    for guard in guards.values():
        assert guard.check(car42()).state == guard.check(bare).state == State.FRESH


def test_another_calibration(guards: dict[str, Guard]) -> None:
    """A little moved: stale where it is baked in, inside an envelope, tables where those fit; with the numbers."""
    (moved,) = at_the_edge(
        load_profile(CAR42), [Deviation(rotation_rad=5e-3, translation_m=0.02)] * 6, 1, seed=1
    )
    answers = {mode: guard.check(cameras_of(moved)) for mode, guard in guards.items()}
    assert {mode: answer.state.name for mode, answer in answers.items()} == {
        "exact": "STALE",
        "envelope": "INSIDE",
        "tables": "RELINK",
    }
    for answer in answers.values():
        assert answer.rotation_mrad == pytest.approx(5.0, rel=1e-6)
        assert answer.translation_mm == pytest.approx(20.0, rel=1e-6)
        assert answer.focal_percent == pytest.approx(0, abs=1e-9)
        assert answer.camera.startswith("CAM_")


def test_far_away_is_stale(guards: dict[str, Guard]) -> None:
    """Cameras that see far more than envelope and capacity hold: stale, with the camera and the pairs."""
    wide = car42()
    for camera in wide:
        camera["intrinsic"][:2, :2] *= 0.4
    for guard in guards.values():
        answer = guard.check(wide)
        assert answer.state == State.STALE
        assert answer.pairs > 0


def wrong(key: str, change: Any) -> Cameras:
    """Return car42 with one number of camera 2 changed by a function."""
    cameras = car42()
    change(cameras[2][key])
    return cameras


def put(*index: int, value: float) -> Any:
    """Return a function that writes a value into an array."""
    return lambda array: array.__setitem__(index, value)


UNUSABLE: dict[Reason, Cameras] = {
    Reason.CAMERA_COUNT: car42()[:5],
    Reason.CAMERA_ORDER: [*car42()[:2], car42()[3], car42()[2], *car42()[4:]],
    Reason.CAMERA_NAME: [*car42()[:5], {**car42()[5], "name": "CAM_ROOF"}],
    Reason.IMAGE_SIZE: [*car42()[:5], {**car42()[5], "size_px": (1280, 720)}],
    Reason.INCOMPLETE: [*car42()[:5], {"name": car42()[5]["name"], "size_px": car42()[5]["size_px"]}],
    Reason.NOT_FINITE: wrong("intrinsic", put(0, 2, value=np.nan)),
    Reason.OUT_OF_RANGE: wrong("camera_from_lidar", put(0, 3, value=1e12)),
    Reason.NOT_CALIBRATED: wrong("intrinsic", lambda k: k.__imul__(0.0)),
    Reason.FOCAL_LENGTH: wrong("intrinsic", put(1, 1, value=-1200.0)),
    Reason.NOT_A_POSE: wrong("camera_from_lidar", lambda pose: pose[:3].__imul__(1.01)),
    Reason.MIRRORED: wrong("camera_from_lidar", lambda pose: pose[0].__imul__(-1.0)),
    Reason.SINGULAR: [
        *car42()[:5],
        {**car42()[5], "intrinsic": None, "image_from_lidar": np.diag([0.0, 0, 0, 1])},
    ],
    Reason.CONTRADICTION: [*car42()[:5], {**car42()[5], "image_from_lidar": np.eye(4)}],
}


@pytest.mark.parametrize("reason", UNUSABLE, ids=lambda reason: reason.name)
def test_what_cannot_be_is_unusable(guards: dict[str, Guard], reason: Reason) -> None:
    """Each way to be wrong has its own code, in every mode."""
    for guard in guards.values():
        answer = guard.check(UNUSABLE[reason])
        assert (answer.state, answer.reason) == (State.UNUSABLE, reason)


def test_validity(guards: dict[str, Guard]) -> None:
    """Outside of its validity a calibration is unusable; unknown times say nothing."""
    nan = float("nan")
    for guard in guards.values():
        for time_s, valid_s, fine in (
            (5.0, (1.0, 9.0), True), (0.5, (1.0, 9.0), False), (9.5, (1.0, 9.0), False),
            (9.5, (1.0, nan), True), (nan, (1.0, 2.0), True),
        ):  # fmt: skip
            answer = guard.check(car42(), time_s=time_s, valid_s=valid_s)
            assert (answer.state == State.FRESH) == fine
            assert (answer.reason == Reason.NOT_VALID_NOW) != fine


def test_a_damaged_contract_is_refused(contracts: Mapping[str, Contract], library: Path) -> None:
    """Neither guard starts with a damaged contract."""
    data = bytearray(contracts["exact"].to_bytes())
    data[500] ^= 4
    for path in (library, None):
        with pytest.raises(FileRefusedError) as caught:
            Guard(bytes(data), path)
        assert caught.value.reason == Reason.DAMAGED


def test_the_guard_imports_numpy_alone() -> None:
    """Python on the car needs numpy and the standard library, nothing of the compiler, and no slow module."""
    guard = "from specialize.vehicle import Guard, parse_golden, selftest"
    code = f"import sys, numpy; before = set(sys.modules); {guard}; print(*sys.modules.keys() - before)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ran.stdout.split()} - set(sys.stdlib_module_names)
    assert loaded <= {"numpy", "specialize"}
    assert not {"email", "hashlib", "importlib.metadata", "socket", "zipfile"} & set(ran.stdout.split())
    ours = {name for name in ran.stdout.split() if name.startswith("specialize.")}
    others = {name for name in ours if not name.startswith("specialize.vehicle")}
    packages = {"specialize.binding", "specialize.binding.relink"}  # their docstrings alone
    assert others == {"specialize.version", *packages, "specialize.binding.relink.checksum"}


def test_check_says_what_the_guard_says(
    builds: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`specialize check --json` uses the guard's words."""
    expected = {"exact": "STALE", "envelope": "INSIDE", "tables": "RELINK"}
    for mode, folder in ((mode, builds[mode]) for mode in expected):
        for calib, state in ((CAR42, "FRESH"), (CAR43, expected[mode])):
            data = json.loads(run_here(capsys, "check", folder, "--calib", calib, "--json").out)
            assert (data["state"], data["reason"]) == (state, None)
            assert data["fresh"] == (state in ("FRESH", "INSIDE"))


def test_from_a_build_to_the_program(
    builds: Mapping[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Export, pack and tool give a program whose exit code is the state's."""
    compiling.gxx()
    tool = tmp_path / "guard"
    assert run_here(capsys, "vehicle", "tool", "-o", tool, "--json").code == 0
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    expected = {"exact": (0, 3), "envelope": (0, 0), "tables": (0, 2)}
    for mode, folder in ((mode, builds[mode]) for mode in expected):
        car = tmp_path / mode
        ran = run_here(capsys, "vehicle", "export", folder, "-o", car, "--golden", "--json")
        assert (ran.code, json.loads(ran.out)["mode"]) == (0, mode)
        shown = subprocess.run(
            [tool, "golden", car / "golden.bin"], capture_output=True, text=True, check=True
        )
        assert "expected is what the build's own model gave\ninput  " in shown.stdout
        assert "output bev: float32 " in shown.stdout
        codes = []
        for calib in (CAR42, CAR43):
            run_here(capsys, "vehicle", "pack", "--calib", calib, "-o", car / "today.bin", "--json")
            done = subprocess.run(
                [tool, "check", car / "contract.bin", car / "today.bin"], capture_output=True, check=False
            )
            codes.append(done.returncode)
        assert tuple(codes) == expected[mode]
    cut = (tmp_path / "exact" / "today.bin").read_bytes()[:-100]
    (tmp_path / "cut.bin").write_bytes(cut)
    done = subprocess.run(
        [tool, "check", tmp_path / "exact" / "contract.bin", tmp_path / "cut.bin"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"too short" in done.stderr) == (1, True)


def test_the_exported_folder_stands_alone(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's own lines compile the program from the folder's own files; the folder is replaced, not mixed."""
    car = tmp_path / "car"
    for mode in ("exact", "envelope"):
        run_here(capsys, "vehicle", "export", builds[mode], "-o", car)
    line = next(line for line in (car / "README").read_text().splitlines() if "g++" in line)
    subprocess.run(line.split(), cwd=car, check=True)
    run_here(capsys, "vehicle", "pack", "--calib", CAR43, "-o", car / "today.bin")
    assert (
        subprocess.run(["./guard", "check", "contract.bin", "today.bin"], cwd=car, check=False).returncode
        == 0
    )


def test_a_folder_of_others_is_left_alone(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export replaces only what it wrote itself, and never writes into the build."""
    (tmp_path / "mine.txt").write_text("mine")
    assert run_here(capsys, "vehicle", "export", builds["exact"], "-o", tmp_path).code == 1
    assert run_here(capsys, "vehicle", "export", builds["exact"], "-o", builds["exact"] / "car").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_a_compiler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tool` says which compiler is missing and where the source is; a failed compilation leaves nothing."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    ran = run_here(capsys, "vehicle", "tool", "-o", tmp_path / "guard")
    assert ran.code == 2
    assert "guard.cpp" in ran.err
    monkeypatch.setenv("CXX", "false")
    assert run_here(capsys, "vehicle", "tool", "-o", tmp_path / "guard").code == 1
    assert list(tmp_path.iterdir()) == []


def test_export_names_the_files_that_it_would_take_away(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that was exported, with a file more, is not replaced; without it, it is."""
    car = tmp_path / "car"
    assert run_here(capsys, "vehicle", "export", builds["exact"], "-o", car).code == 0
    (car / "include" / "mine.txt").write_text("mine")
    ran = run_here(capsys, "vehicle", "export", builds["exact"], "-o", car)
    assert ran.code == 1 and "got include/mine.txt" in ran.err and (car / "include" / "mine.txt").exists()
    (car / "include" / "mine.txt").unlink()
    assert run_here(capsys, "vehicle", "export", builds["exact"], "-o", car).code == 0


def test_a_library_in_this_folder_needs_no_path(
    contracts: Mapping[str, Contract], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Guard(contract, "libspecialize.so")` as the guide has it, though loaders look such names up elsewhere."""
    (tmp_path / "libhere.so").symlink_to(library)
    monkeypatch.chdir(tmp_path)
    assert Guard(contracts["exact"].to_bytes(), "libhere.so").check(car42()).state is State.FRESH
