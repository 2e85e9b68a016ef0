"""Perturb calibrations: turn, displace and refocus cameras by given amounts, as tolerances allow.

A perturbed camera is turned about its own centre, then displaced, and its focal lengths and principal point change;
this is what `pyramid` bounds. All matrices of a camera stay consistent, so that a model may read any of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.visibility.grid import Floats
from specialize.visibility.pyramid import Deviation


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Move:
    """How one camera differs from nominal.

    Attributes:
        rotation_rad: (3,) axis times angle, in the camera's axes.
        translation_m: (3,) displacement of the centre, in the camera's axes.
        focal_ratio: (2,) relative change of the focal lengths.
        principal_point_px: (2,) shift of the principal point, raw pixels.
    """

    rotation_rad: Floats
    translation_m: Floats
    focal_ratio: Floats
    principal_point_px: Floats


def perturbed(profile: CalibrationProfile, moves: Sequence[Move]) -> CalibrationProfile:
    """Return the profile of a vehicle whose cameras have moved, one move per camera."""
    cameras = tuple(_moved(camera, move) for camera, move in zip(profile.cameras, moves, strict=True))
    return dataclasses.replace(profile, cameras=cameras)


def at_the_edge(
    profile: CalibrationProfile, allowed: Sequence[Deviation], count: int, seed: int = 0
) -> Iterator[CalibrationProfile]:
    """Yield `count` seeded profiles at the very edge of all bounds at once; bounds are in raw pixels."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield perturbed(profile, [_edge(bounds, random) for bounds in allowed])


def _edge(bounds: Deviation, random: np.random.Generator) -> Move:
    signs = random.choice([-1.0, 1.0], 4)
    return Move(
        _unit(random) * bounds.rotation_rad,
        _unit(random) * bounds.translation_m,
        signs[:2] * bounds.focal_ratio,
        signs[2:] * bounds.principal_point_px,
    )


def _unit(random: np.random.Generator) -> Floats:
    vector = random.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def _moved(camera: Camera, move: Move) -> Camera:
    pinhole = camera.as_pinhole()
    intrinsic = pinhole.intrinsic.copy()
    intrinsic[0, :2] *= 1 + move.focal_ratio[0]
    intrinsic[1, 1] *= 1 + move.focal_ratio[1]
    intrinsic[:2, 2] += move.principal_point_px
    pose = pinhole.camera_from_lidar.copy()
    pose[:3, 3] -= move.translation_m
    pose = rotation(move.rotation_rad) @ pose
    if camera.is_raw and camera.lens is not None:
        lens = camera.lens.refocused(_two(move.focal_ratio), _two(move.principal_point_px))
        offset, tolerance = camera.time_offset_s, camera.tolerance
        size = camera.width_px, camera.height_px
        return Camera.through(camera.name, size, lens, pose, time_offset_s=offset, tolerance=tolerance)
    return Camera.pinhole(
        camera.name,
        (camera.width_px, camera.height_px),
        intrinsic,
        pose,
        distortion=camera.distortion,
        lens=camera.lens,
        lens_size_px=camera.lens_size_px,
        time_offset_s=camera.time_offset_s,
        tolerance=camera.tolerance,
    )


def _two(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def rotation(axis_angle: Floats) -> Floats:
    """Return the (4, 4) rotation about an axis by its length in radians."""
    angle = float(np.linalg.norm(axis_angle))
    matrix = np.eye(4)
    if angle > 0:
        x, y, z = axis_angle / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        matrix[:3, :3] += math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return matrix
