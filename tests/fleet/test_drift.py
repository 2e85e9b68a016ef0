"""A fleet against its earlier state: who was recalibrated and by how much, and movements that are no chance."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.cli.render_fleet_drift import drift_text
from specialize.fleet.drift import fleet_drift
from specialize.fleet.packing import pack_fleet
from tests.calibration import authored
from tests.fleet.fleets import write_fleet


def moved(camera: Camera, turn_rad: np.ndarray, shift_m: np.ndarray) -> Camera:
    """Return a camera turned about its own axes (3,), by scipy, and shifted along the lidar's axes (3,)."""
    pinhole = camera.as_pinhole()
    axes = pinhole.camera_from_lidar[:3, :3].T  # columns: the camera's axes in the lidar's frame
    centre = -axes @ pinhole.camera_from_lidar[:3, 3] + shift_m
    axes = axes @ Rotation.from_rotvec(turn_rad).as_matrix()
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes.T, -axes.T @ centre
    return Camera.pinhole(camera.name, (camera.width_px, camera.height_px), pinhole.intrinsic, pose)


def write_later(before: Path, later: Path, count: int, pitch_rad: float = 0.0) -> None:
    """Write a fleet in which the first vehicles were recalibrated; their rear cameras moved by a pitch as well."""
    later.mkdir()
    random = np.random.default_rng(5)
    for number, path in enumerate(sorted(before.glob("*.yaml"))):
        profile = load_profile(path)
        if number < count:
            profile = dataclasses.replace(
                profile, cameras=tuple(_recalibrated(one, random, pitch_rad) for one in profile.cameras)
            )
        (later / path.name).write_text(dump_profile(profile))


def _recalibrated(camera: Camera, random: np.random.Generator, pitch_rad: float) -> Camera:
    turn = random.normal(0, 3e-4, 3)
    turn[0] += pitch_rad if camera.name == "CAM_BACK" else 0
    return moved(camera, turn, random.normal(0, 1e-3, 3))


def test_one_camera_that_moved_is_measured(tmp_path: Path) -> None:
    """The angle and the distance are those of the move; everything else is unchanged, new or gone."""
    before, later = tmp_path / "before", tmp_path / "later"
    write_fleet(before, authored.CAR42, 4)
    later.mkdir()
    for path in sorted(before.glob("*.yaml"))[1:]:
        (later / path.name).write_text(path.read_text())
    knocked = load_profile(before / "car_00003.yaml")
    turned = moved(knocked.cameras[3], np.array([0.003, 0.0, 0.004]), np.array([0.0, 0.02, 0.0]))
    cameras = (*knocked.cameras[:3], turned, *knocked.cameras[4:])
    (later / "car_00003.yaml").write_text(dump_profile(dataclasses.replace(knocked, cameras=cameras)))
    write_fleet(later, authored.CAR42, 1, "new")
    found = fleet_drift(later, before)
    assert (found.unchanged, found.added, found.gone) == (2, ("new_00001",), ("car_00001",))
    (one,) = found.recalibrated
    (camera,) = one.cameras
    assert (one.vehicle, camera.camera) == ("car_00003", "CAM_BACK")
    assert camera.turned_mrad == pytest.approx(5.0, abs=1e-3)
    assert camera.shifted_mm == pytest.approx(20.0, abs=1e-3)
    assert found.trends == ()


@pytest.mark.parametrize(("pitch_rad", "side"), [(8e-4, "up"), (-8e-4, "down")])
def test_a_mount_that_creeps_is_named(pitch_rad: float, side: str, tmp_path: Path) -> None:
    """Thirty recalibrations that pitch the rear camera: one trend, its median and its direction."""
    before, later = tmp_path / "before", tmp_path / "later"
    write_fleet(before, authored.CAR42, 36)
    write_later(before, later, 30, pitch_rad)
    found = fleet_drift(later, before)
    assert (len(found.recalibrated), found.unchanged) == (30, 6)
    (trend,) = found.trends
    assert (trend.camera, trend.quantity, trend.vehicles) == ("CAM_BACK", "pitch_mrad", 30)
    assert trend.median == pytest.approx(1e3 * pitch_rad, abs=0.15)
    text = "\n".join(map(str, drift_text(found)))
    assert f"CAM_BACK creeps {abs(trend.median):.2f} mrad {side}: " in text


def test_scatter_is_no_trend(tmp_path: Path) -> None:
    """Recalibrations without a direction name no camera."""
    before, later = tmp_path / "before", tmp_path / "later"
    write_fleet(before, authored.CAR42, 36)
    write_later(before, later, 36)
    assert fleet_drift(later, before).trends == ()


def test_up_is_where_the_image_moves_down(tmp_path: Path) -> None:
    """A camera that pitches up shows a point lower in its image: v grows."""
    camera = profile_of(tmp_path).cameras[0]
    ahead = np.linalg.inv(camera.as_pinhole().camera_from_lidar) @ np.array([0.0, 0.0, 20.0, 1.0])
    up = moved(camera, np.array([1e-3, 0.0, 0.0]), np.zeros(3))
    right = moved(camera, np.array([0.0, 1e-3, 0.0]), np.zeros(3))
    (before, _), (after, _), (turned, _) = (one.project(ahead[:3]) for one in (camera, up, right))
    assert after[1] > before[1]
    assert turned[0] < before[0]


def profile_of(folder: Path) -> CalibrationProfile:
    """Return one vehicle."""
    (path,) = write_fleet(folder / "one", authored.CAR42, 1)
    return load_profile(path)


def test_tables_and_other_cameras(tmp_path: Path) -> None:
    """A table is a fleet too; a vehicle that lost a camera is named apart."""
    before, later = tmp_path / "before", tmp_path / "later"
    write_fleet(before, authored.CAR42, 3)
    pack_fleet([before], tmp_path / "before.parquet")
    write_later(before, later, 1)
    fewer = load_profile(later / "car_00002.yaml")
    (later / "car_00002.yaml").write_text(dump_profile(dataclasses.replace(fewer, cameras=fewer.cameras[1:])))
    found = fleet_drift(later, tmp_path / "before.parquet")
    assert ([one.vehicle for one in found.recalibrated], found.unchanged) == (["car_00001"], 1)
    assert found.other_cameras == ("car_00002",)
