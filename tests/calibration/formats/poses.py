"""Poses of cameras, as writers of other formats need them."""

from __future__ import annotations

from typing import Any

import numpy as np

from specialize.calibration.pose import quaternion_from_rotation
from tests.strategies import rotation

CAMERA_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # in forward, left, up


def pose(angles: tuple[float, float, float], offset_m: tuple[float, float, float]) -> np.ndarray:
    """Return a (4, 4) pose of angles in rad and metres."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(np.array(angles)), offset_m
    return matrix


def optical(matrix: np.ndarray) -> np.ndarray:
    """Return the pose of a camera that looks along a pose's forward axis."""
    turned = matrix.copy()
    turned[:3, :3] = matrix[:3, :3] @ CAMERA_AXES
    return turned


def xyzw(matrix: np.ndarray) -> list[float]:
    """Return a rotation as quaternion, w last."""
    w, x, y, z = quaternion_from_rotation(matrix[:3, :3])
    return [x, y, z, w]


def seen(profile: Any, name: str, point: np.ndarray) -> np.ndarray:
    """Return the pixel of a point (3,) in a camera."""
    camera = next(camera for camera in profile.cameras if camera.name == name)
    pixel, valid = camera.project(point)
    assert valid
    return np.asarray(pixel)
