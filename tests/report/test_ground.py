"""What is drawn of the ground is what the cameras see of it."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.files.resources import resource_dir
from specialize.report.ground import Scene, footprint, frustum, hull, seen_by
from tests.report.rigs import ring, single

PROFILES = resource_dir("calib_profiles")


def _within(polygons: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which points are inside polygons by the rule of crossings."""
    found = np.zeros(x.shape, bool)
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
            found ^= crosses
    return found


@pytest.mark.parametrize(
    "profile",
    [load_profile(PROFILES / name) for name in ("car42.yaml", "fisheye4.yaml", "kitti360_like.yaml")]
    + [ring(5), single(20, 90), single(30, 60), single(0, 0, in_vehicle=False)],
    ids=lambda profile: profile.vehicle,
)
def test_footprints_hold_what_is_seen(profile: CalibrationProfile) -> None:
    """Of points on the ground, those inside a camera's polygons are those that it sees, but for a few at borders."""
    scene = Scene.of(profile)
    side = np.linspace(-scene.reach_m, scene.reach_m, 97) + 0.013
    x, y = np.meshgrid(side, side)
    near = np.hypot(x, y) < scene.reach_m - 0.2
    seen = seen_by(scene, x, y)
    for view, wanted in zip(scene.views, seen, strict=True):
        drawn = _within(footprint(scene, view), x, y)
        assert (drawn != wanted)[near].mean() < 0.004
        assert wanted[near].any()


def test_a_camera_that_looks_up_sees_no_ground() -> None:
    """It has no polygon, and nothing fails."""
    scene = Scene.of(single(0, -80))
    assert footprint(scene, scene.views[0]) == ()


def test_cameras_far_away_are_in_the_picture() -> None:
    """A rig in millimetres is drawn as far as it reaches."""
    profile = ring(4)
    far = [camera.camera_from_lidar.copy() for camera in profile.cameras]  # type: ignore[union-attr]
    assert Scene.of(profile).reach_m == 30.0
    moved = []
    for camera, pose in zip(profile.cameras, far, strict=True):
        pose[:3, 3] *= 1000
        moved.append(type(camera).pinhole(camera.name, (800, 600), camera.intrinsic, pose))
    assert Scene.of(CalibrationProfile("far", tuple(moved), np.eye(4))).reach_m > 2000


def test_a_frustum_points_where_the_camera_looks() -> None:
    """The outline of a pinhole reaches its length ahead and nothing behind; of a wide lens also what is beside it."""
    scene = Scene.of(single(0, 0))
    outline, corners = frustum(scene.views[0], 2.0)
    assert outline[:, 0].max() == pytest.approx(2.5, abs=0.05) and outline[:, 0].min() == pytest.approx(0.5)
    assert len(corners) == 4
    wide = Scene.of(load_profile(PROFILES / "kitti360_like.yaml"))
    left = wide.views[2]
    outline, _ = frustum(left, 1.0)
    away = outline - left.centre_m[:2]
    assert away[:, 1].max() > 0.95 and np.abs(away[:, 0]).max() > 0.9  # it looks to the left


def test_a_hull_holds_all_points() -> None:
    """Every point is on the inner side of every edge; one point is a hull as well."""
    points = np.random.default_rng(0).normal(size=(200, 2))
    outline = hull(points)
    for first, second in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        step, rest = second - first, points - first
        assert (step[0] * rest[:, 1] - step[1] * rest[:, 0] > -1e-9).all()
    assert not hull(np.zeros((3, 2))).any()
