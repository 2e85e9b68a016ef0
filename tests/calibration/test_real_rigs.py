"""Real rigs from file to figures, by the commands: imported, linted, shown and compared, as recorded for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.delta import ring_shifts_px
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from tests.calibration.formats import test_argoverse2, test_nuscenes, test_waymo
from tests.calibration.formats.rigs import RealRig, check, real
from tests.cli.running import run_here
from tests.shared_files import calibration, calibrations, profile_document, shared_root

EARLY, LATE = "nuscenes_n008_2018-05-21", "nuscenes_n008_2018-07-26_to_2018-09-18"
OTHER = "nuscenes_n015_2018-07-11_to_2018-11-21"
WAYMO = "waymo_1071392229495085036_1844_790_1864_790"


def _tables(folder: Path, rig: RealRig) -> list[str | Path]:
    """Write a rig as nuScenes and Lyft do; return the arguments of the import."""
    width, height = rig.cameras[0].size
    path = test_nuscenes.write_tables(folder, {"only": rig})
    options = (f"size={width}x{height}", f"cameras={','.join(rig.names())}")
    return ["nuscenes", path, *(word for option in options for word in ("--option", option))]


def _log(folder: Path, rig: RealRig) -> list[str | Path]:
    """Write a rig as Argoverse 2 does."""
    return ["argoverse2", test_argoverse2.write_log(folder, rig), "--option", "points=up_lidar"]


def _segment(folder: Path, rig: RealRig) -> list[str | Path]:
    """Write a rig as Waymo does."""
    return ["waymo", test_waymo.tfrecord(folder / "segment.tfrecord", rig, packed=True)]


def _matrices(folder: Path, rig: RealRig) -> list[str | Path]:
    """Write a rig as plain matrices, for data sets without an importer of their own."""
    path = folder / "calib.json"
    path.write_text(json.dumps({"lidar2img": [camera.raw["lidar2img"] for camera in rig.cameras]}))
    width, height = rig.cameras[0].size
    options = (f"size={width}x{height}", f"cameras={','.join(rig.names())}")
    return ["lidar2img", path, *(word for option in options for word in ("--option", option))]


RIGS: dict[str, Callable[[Path, RealRig], list[str | Path]]] = {
    EARLY: _tables,
    LATE: _tables,
    OTHER: _tables,
    "lyft_a017": _tables,
    "lyft_a101": _tables,
    "argoverse1_testlog1": _matrices,
    "argoverse2_test_log": _log,
    "argoverse2_7fab2350-7eaf-3b7e-a39d-6937a4c1bede": _log,
    "pandaset_static": _matrices,
    WAYMO: _segment,
}
# What is true of a rig: Waymo has no rear camera, and its images are as its lenses made them.
EXPECTED = {WAYMO: {"blind-sector", "lens-distortion"}}


def imported(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write a rig in its own format, import it by the command, and return the profile."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    ran = run_here(capsys, "profile", "import", *RIGS[name](folder, real(name)), "-o", path)
    assert ran.code == 0, ran.err
    return path


def headings_deg(profile: CalibrationProfile, rig: RealRig) -> list[float]:
    """Return where the optical axes point in the vehicle frame, left positive, from the profile's matrices."""
    axes = [
        rig.lidar2ego[:3, :3] @ camera.as_pinhole().camera_from_lidar[2, :3] for camera in profile.cameras
    ]
    return [float(np.degrees(np.arctan2(axis[1], axis[0]))) for axis in axes]


def recorded(name: str) -> dict[str, tuple[float, float]]:
    """Return heading and field of view in degrees per camera, as the table beside the calibrations states them."""
    table = (shared_root() / "calibrations" / "README.md").read_text()
    row = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", table.split("## Headings")[1], re.MULTILINE)
    assert row is not None, name
    found = re.findall(r"(\w+) ([+-][\d.]+)° / (\d+)°", row[1])
    return {camera: (float(yaw), float(view)) for camera, yaw, view in found}


@pytest.mark.parametrize("name", RIGS)
def test_a_rig_is_imported_linted_and_shown(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a file of its data set to the recorded matrices, headings and fields of view; lint says what is true."""
    path, rig = imported(name, tmp_path, capsys), real(name)
    profile = load_profile(path)
    check(profile, rig, atol=1e-5)
    linted = run_here(capsys, "profile", "check", path, "--json")
    findings = json.loads(linted.out)["files"][0]["findings"]
    assert {finding["code"] for finding in findings} == EXPECTED.get(name, set())
    table = recorded(name)
    assert list(table) == list(profile.camera_names())
    shown = json.loads(run_here(capsys, "profile", "show", path, "--json").out)["cameras"]
    turned = headings_deg(profile, rig)
    start = 0.0 if "lidar2ego" in rig.raw else turned[0] - table[next(iter(table))][0]
    for camera, heading, one in zip(table, turned, shown, strict=True):
        yaw, view = table[camera]
        assert abs((heading - start - yaw + 180) % 360 - 180) <= 0.11, camera
        assert one["fov_deg"] == pytest.approx(view, abs=0.6), camera  # rounded, and centred


# Mean shifts in px at 20 m between the three rigs, per camera, as recorded.
SHIFTS = {
    (OTHER, LATE): [32, 18, 14, 41, 45, 27],
    (OTHER, EARLY): [74, 80, 106, 168, 41, 58],
    (LATE, EARLY): [106, 84, 118, 182, 83, 32],
}


@pytest.mark.parametrize("pair", SHIFTS, ids=["other-late", "other-early", "late-early"])
def test_imported_rigs_differ_as_recorded(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`diff` of two imported rigs: turned and shifted as their matrices are, moved in the image as recorded."""
    paths = [imported(name, tmp_path / name, capsys) for name in pair]
    ran = run_here(capsys, "diff", *paths, "--json")
    assert ran.code == 3
    for place, camera in enumerate(json.loads(ran.out)["cameras"]):
        first, second = (np.linalg.inv(real(name).cameras[place].lidar2cam) for name in pair)
        turn = first[:3, :3].T @ second[:3, :3]
        angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
        assert camera["rotation_mrad"] == pytest.approx(1e3 * angle, rel=1e-3)
        assert camera["translation_mm"] == pytest.approx(
            1e3 * np.linalg.norm(first - second, axis=0)[3], rel=1e-3
        )
        assert camera["shift_px_20m"] >= SHIFTS[pair][place]  # the largest; the table has means
    cameras = zip(*(load_profile(path).cameras for path in paths), strict=True)
    means = [float(ring_shifts_px(one, other, 20.0).mean()) for one, other in cameras]
    np.testing.assert_allclose(means, SHIFTS[pair], rtol=0, atol=1.5)


# Ego motion between lidar and camera: mean over the frames, and the worst frame, in px at 20 m, as recorded.
DRIFT = {
    ("n008-2018-08-01", LATE): [
        (5.1, 8.5),
        (9.2, 14.5),
        (16.0, 25.9),
        (1.4, 2.5),
        (0.3, 1.2),
        (7.3, 11.6),
    ],
    ("n015-2018-10-08", OTHER): [
        (12.1, 28.7),
        (9.6, 22.6),
        (20.8, 44.1),
        (2.5, 5.4),
        (0.4, 2.9),
        (7.0, 16.3),
    ],
}


@pytest.mark.parametrize("drive", DRIFT, ids=["straight", "turning"])
def test_a_rig_drifts_between_its_frames_as_recorded(drive: tuple[str, str]) -> None:
    """With ego motion compensated every frame has its own projection, as far from the static one as recorded."""
    word, static = drive
    rig = parse_profile(profile_document(calibration(static)), static)
    paths = [
        path for path in calibrations() if path.stem.startswith(f"nuscenes_{word}") and "_frame" in path.stem
    ]
    assert len(paths) >= 40
    frames = [parse_profile(profile_document(path), path.stem) for path in paths]
    shifts = np.array(
        [
            [ring_shifts_px(a, b, 20.0).mean() for a, b in zip(rig.cameras, frame.cameras, strict=True)]
            for frame in frames
        ]
    )  # (frames, cameras)
    measured = np.stack([shifts.mean(axis=0), shifts.max(axis=0)], axis=1)
    np.testing.assert_allclose(measured, DRIFT[drive], rtol=0.05, atol=0.3)
