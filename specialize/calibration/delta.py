"""Compare two calibrations: changes in millimetres, milliradians, percent and pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.pose import Matrix, centre_m, rotation_between_rad
from specialize.calibration.profile import CalibrationProfile
from specialize.digest import digest

# Points on circles around the lidar: low on the road, at a car's middle, above its roof.
RING_HEIGHTS_M = (-1.8, -0.5, 0.5)
RING_STEP_RAD = math.radians(0.5)
# A point closer to the image plane than this has no useful image.
MIN_DEPTH_M = 0.1


@dataclass(frozen=True, slots=True)
class CameraDelta:
    """How one camera differs between two profiles that both have it.

    Attributes:
        name: The camera.
        rotation_mrad: Angle between the two orientations.
        translation_mm: Distance between the two camera centres, in the lidar frame.
        focal_percent: Larger relative change of the two focal lengths.
        principal_point_px: Distance between the two principal points in the raw image.
        shift_px_10m: Largest movement in the raw image of a point on a circle of 10 m around the lidar
            that is in either image; None if no such point is in front of both cameras.
        shift_px_20m: The same at 20 m.
        resized: The image size differs; the pixels above are then not comparable.
        lens_changed: The distortion differs.
        tolerance_changed: The stated tolerance differs.
        time_offset_ms: Change of the time offset.
        same: Nothing that a digest covers differs.
    """

    name: str
    rotation_mrad: float
    translation_mm: float
    focal_percent: float
    principal_point_px: float
    shift_px_10m: float | None
    shift_px_20m: float | None
    resized: bool
    lens_changed: bool
    tolerance_changed: bool
    time_offset_ms: float
    same: bool


@dataclass(frozen=True, slots=True)
class ProfileDelta:
    """How two profiles differ: per common camera, and in the set and order of cameras.

    Attributes:
        cameras: One entry per camera that both have, in the order of the second profile.
        added: Cameras of the second profile only.
        removed: Cameras of the first profile only.
        reordered: The common cameras stand in another order.
        same: Both have the same digest.
    """

    cameras: tuple[CameraDelta, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reordered: bool
    same: bool


def compare(first: CalibrationProfile, second: CalibrationProfile) -> ProfileDelta:
    """Compare a second profile with a first."""
    before, after = first.camera_names(), second.camera_names()
    common = tuple(name for name in after if name in before)
    return ProfileDelta(
        cameras=tuple(compare_cameras(first.camera(name), second.camera(name)) for name in common),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        reordered=common != tuple(name for name in before if name in after),
        same=first.digest == second.digest,
    )


def compare_cameras(first: Camera, second: Camera) -> CameraDelta:
    """Compare a second camera with a first."""
    a, b = first.as_pinhole(), second.as_pinhole()
    focal = [abs(b.intrinsic[i, i] / a.intrinsic[i, i] - 1) for i in range(2)]
    centres = centre_m(b.camera_from_lidar) - centre_m(a.camera_from_lidar)
    rotation_rad = rotation_between_rad(a.camera_from_lidar[:3, :3], b.camera_from_lidar[:3, :3])
    return CameraDelta(
        name=second.name,
        rotation_mrad=1e3 * rotation_rad,
        translation_mm=1e3 * float(np.linalg.norm(centres)),
        focal_percent=100 * float(max(focal)),
        principal_point_px=float(np.linalg.norm((b.intrinsic - a.intrinsic)[:2, 2])),
        shift_px_10m=_largest(ring_shifts_px(first, second, 10.0)),
        shift_px_20m=_largest(ring_shifts_px(first, second, 20.0)),
        resized=(first.width_px, first.height_px) != (second.width_px, second.height_px),
        lens_changed=(first.distortion, first.lens) != (second.distortion, second.lens),
        tolerance_changed=first.tolerance != second.tolerance,
        time_offset_ms=1e3 * (second.time_offset_s - first.time_offset_s),
        same=digest(first.content()) == digest(second.content()),
    )


def ring_shifts_px(first: Camera, second: Camera, radius_m: float) -> Matrix:
    """Return the movements (M,) in px of ring points that are in either image and in front of both cameras."""
    points = ring_m(radius_m)
    pixels_a, before_a = first.project(points, MIN_DEPTH_M)
    pixels_b, before_b = second.project(points, MIN_DEPTH_M)
    seen = (inside_image(first, pixels_a) | inside_image(second, pixels_b)) & before_a & before_b
    shifts: Matrix = np.linalg.norm(pixels_b[seen] - pixels_a[seen], axis=1)
    return shifts


def ring_m(radius_m: float) -> Matrix:
    """Return points (M, 3) on circles around the lidar's z axis, in the lidar frame."""
    angle = np.arange(0.0, 2 * np.pi, RING_STEP_RAD)
    rings = [
        np.stack([radius_m * np.cos(angle), radius_m * np.sin(angle), np.full_like(angle, z)], 1)
        for z in RING_HEIGHTS_M
    ]
    return np.concatenate(rings)


def inside_image(camera: Camera, pixels: Matrix) -> Any:
    """Return whether pixels (M, 2) are in the raw image."""
    return ((pixels > 0) & (pixels < (camera.width_px, camera.height_px))).all(axis=1)


def _largest(shifts_px: Matrix) -> float | None:
    return float(shifts_px.max()) if shifts_px.size else None
