"""What pictures show is what cameras project: borders, ghosts, and places in images."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.pose import inverse, rigid, rotation_from_rpy
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.sight import (
    border,
    folded,
    ground_m,
    inside,
    pixels_of,
    pixels_towards,
    rays_through,
)
from specialize.calibration.view import views_of
from specialize.files.resources import resource_dir
from tests.report.rigs import camera_at, pinhole

PROFILES = resource_dir("calib_profiles")
NAMES = ("car42.yaml", "fisheye4.yaml", "ftheta4.yaml", "kitti360_like.yaml", "reference/ring7.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_the_cameras(name: str) -> None:
    """Points of the level frame land where the camera projects the same points of the lidar's frame."""
    profile = load_profile(PROFILES / name)
    points = np.random.default_rng(0).uniform(-20, 20, (500, 3))
    pose = profile.ego_from_lidar
    of_lidar = points if pose is None else (points - pose[:3, 3]) @ pose[:3, :3]
    for view in views_of(profile):
        pixels, valid = pixels_of(view, points)
        wanted, seen = view.camera.project(of_lidar)
        near = valid & inside(view, pixels)  # beyond, rounding is scaled by the distance
        assert (valid == seen).all()
        assert np.allclose(pixels[near], wanted[near], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_border_runs_along_the_image_or_the_lens(name: str) -> None:
    """Every point of an outline is on the image's edge or at the limit of the lens, and its ray lands there."""
    for view in views_of(load_profile(PROFILES / name)):
        pixels, rays = border(view, 40)
        again, valid = pixels_towards(view, rays)
        assert valid.all() and np.allclose(again, pixels, atol=1e-4)
        width, height = view.camera.width_px, view.camera.height_px
        on_edge = np.isclose(pixels, 0).any(axis=1) | np.isclose(pixels, (width, height)).any(axis=1)
        if view.camera.lens is not None:
            angle = np.arccos(np.clip(rays @ view.rotation[2], -1, 1))
            on_edge |= np.abs(angle - view.camera.lens.limit_rad) < 0.02
        assert on_edge.all()


def test_ghosts_are_beyond_the_limit_and_in_the_image() -> None:
    """A point behind a MEI lens with xi above 1 is a ghost in its image, and one before it is not."""
    camera = load_profile(PROFILES / "kitti360_like.yaml").camera("image_02")
    assert camera.lens is not None
    points = np.array([[0.0, 0.0, -5.0], [0.1, 0.2, -3.0], [0.0, 0.0, 5.0], [4.0, 0.0, 1.0]])
    pixels, ghost = folded(camera.lens, points, (camera.width_px, camera.height_px))
    assert ghost.tolist() == [True, True, False, False]
    assert np.abs(pixels[0] - camera.lens.project(np.array([[0.0, 0.0, 1.0]]))[0][0]).max() < 1.0


def test_the_ground_is_guessed_only_without_a_vehicle_frame() -> None:
    """It is at 0 in the vehicle's frame, below a lidar, and at 0 again if all cameras are high above the origin."""
    known = load_profile(PROFILES / "car42.yaml")
    assert ground_m(known, views_of(known)) == 0.0
    for height, expected in ((-0.3, -1.8), (1.5, 0.0), (-2.5, -2.6)):
        rig = CalibrationProfile("x", (pinhole("a", camera_at(0.0, 0.0, (0.0, 0.0, height))),))
        assert ground_m(rig, views_of(rig)) == pytest.approx(expected)


def test_rays_are_those_of_the_level_frame() -> None:
    """The ray through the middle of a level camera's image is its heading."""
    rig = CalibrationProfile("x", (pinhole("a", camera_at(90.0, 0.0, (0.0, 0.0, 1.0))),), np.eye(4))
    (view,) = views_of(rig)
    middle = np.array([[view.camera.width_px / 2, view.camera.height_px / 2]])
    assert np.allclose(rays_through(view, middle), [[0.0, 1.0, 0.0]])
    turned = CalibrationProfile("x", rig.cameras, rigid(rotation_from_rpy(0, 0, 1.0), [1, 2, 3]))
    assert np.allclose(views_of(turned)[0].heading_rad, np.pi / 2 + 1.0)
    assert np.allclose(inverse(inverse(turned.ego_from_lidar)), turned.ego_from_lidar)  # type: ignore[arg-type]
