"""Made-up rigs for pictures: pinholes by heading and pitch."""

from __future__ import annotations

import math

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.pose import (
    OPTICAL_FROM_BODY,
    Matrix,
    inverse,
    product,
    rigid,
    rotation_from_rpy,
)
from specialize.calibration.profile import CalibrationProfile

SIZE_PX = (800, 600)


def camera_at(heading_deg: float, down_deg: float, at_m: tuple[float, float, float]) -> Matrix:
    """Return `camera_from_level` (4, 4) of a camera that looks to the left by a heading, and down by an angle."""
    turn = rotation_from_rpy(0.0, math.radians(down_deg), math.radians(heading_deg))
    return product(rigid(OPTICAL_FROM_BODY, np.zeros(3)), inverse(rigid(turn, at_m)))


def pinhole(name: str, camera_from_level: Matrix, fov_deg: float = 70.0) -> Camera:
    """Return a pinhole of a field of view."""
    width, height = SIZE_PX
    focal = width / 2 / math.tan(math.radians(fov_deg) / 2)
    intrinsic = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Camera.pinhole(name, SIZE_PX, intrinsic, camera_from_level)


def ring(count: int, names: tuple[str, ...] = ()) -> CalibrationProfile:
    """Return cameras all around a vehicle, in its own frame."""
    cameras = []
    for index in range(count):
        heading = 360.0 * index / count
        angle = math.radians(heading)
        place = (1.5 + math.cos(angle), math.sin(angle), 1.6)
        name = names[index] if names else f"CAM_{index:02d}"
        cameras.append(pinhole(name, camera_at(heading, 5.0, place)))
    return CalibrationProfile("ring", tuple(cameras), np.eye(4))


def single(heading_deg: float, down_deg: float, in_vehicle: bool = True) -> CalibrationProfile:
    """Return a vehicle with one camera."""
    camera = pinhole("ONLY", camera_at(heading_deg, down_deg, (0.5, 0.0, 1.6)))
    return CalibrationProfile("single", (camera,), np.eye(4) if in_vehicle else None)
