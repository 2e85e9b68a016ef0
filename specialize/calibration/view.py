"""Derive a camera's heading, pitch, field of view and position for the lint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.camera import Camera
from specialize.calibration.pose import Matrix, centre_m, inverse, product
from specialize.calibration.profile import CalibrationProfile

NEAREST_M = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One camera in the level frame: the vehicle's if known, else the lidar's (z up in both).

    Attributes:
        camera: The camera.
        intrinsic: (3, 3) in px.
        camera_from_level: (4, 4) in m; rows of its rotation are the camera's right, down and forward.
        heading_rad: Where the optical axis points, counter-clockwise seen from above; 0 is along x.
        pitch_rad: How far the optical axis points up.
    """

    camera: Camera
    intrinsic: Matrix
    camera_from_level: Matrix
    heading_rad: float
    pitch_rad: float

    @property
    def rotation(self) -> Matrix:
        """The (3, 3) rotation from the level frame to camera axes."""
        return self.camera_from_level[:3, :3]

    @property
    def hfov_rad(self) -> float:
        """The horizontal field of view of the image that the model is given."""
        return self.camera.width_rad()

    @property
    def centre_m(self) -> Matrix:
        """The camera's centre (3,) in the level frame."""
        return centre_m(self.camera_from_level)

    def lidar_distance_m(self) -> float:
        """Return the distance between the camera's centre and the lidar's origin."""
        return float(np.linalg.norm(centre_m(self.camera.as_pinhole().camera_from_lidar)))


def views_of(profile: CalibrationProfile) -> tuple[View, ...]:
    """Return every camera of a profile as a view."""
    return tuple(_view(camera, profile.ego_from_lidar) for camera in profile.cameras)


def _view(camera: Camera, ego_from_lidar: Matrix | None) -> View:
    intrinsic, camera_from_level = camera.as_pinhole()
    if ego_from_lidar is not None:
        camera_from_level = product(camera_from_level, inverse(ego_from_lidar))
    x, y, z = (float(value) for value in camera_from_level[2, :3])
    return View(camera, intrinsic, camera_from_level, math.atan2(y, x), math.asin(max(-1.0, min(1.0, z))))


def upright(rotation: Matrix) -> float:
    """Return the cosine between a camera's down axis and the vertical: 1 is upright, -1 upside down."""
    return -float(rotation[1, 2])


def sees(camera: Camera, points_m: Matrix) -> NDArray[np.bool_]:
    """Return which points (M, 3) of the lidar frame are inside the camera's raw image."""
    pixels, valid = camera.project(points_m, NEAREST_M)
    with np.errstate(invalid="ignore"):
        inside = (pixels > 0) & (pixels < (camera.width_px, camera.height_px))
    seen: NDArray[np.bool_] = inside.all(axis=-1) & valid
    return seen


def angle_between_rad(first: float, second: float) -> float:
    """Return the smaller angle between two headings."""
    return abs(math.remainder(first - second, 2 * math.pi))
