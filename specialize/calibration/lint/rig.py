"""Lint the cameras as a rig: their order, duplicates, blind sectors, and the ground near the car."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.lint.findings import Finding
from specialize.calibration.pose import Matrix, inverse
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import View, angle_between_rad, sees
from specialize.text.units import counted

RIG_RULES = {
    "camera-twins": "Two cameras look in the same direction",
    "camera-order": "The cameras are not in the model's order",
    "blind-sector": "No camera covers a whole sector around the vehicle",
    "ground-unseen": "No camera sees the ground near the vehicle",
}

TWIN_RAD = math.radians(2.0)
BLIND_SECTOR_DEG = 15
SECTOR_HEIGHTS_M = (-1.8, -0.5, 0.5)
NEAR_GROUND_M = 12.0
BEARING_STEP = 5  # degrees; no camera is that narrow
# Height of the ground in the lidar frame if the vehicle frame is unknown.
GROUND_BELOW_LIDAR_M = -1.8


def check_rig(
    profile: CalibrationProfile, views: tuple[View, ...], camera_order: Sequence[str]
) -> Iterator[Finding]:
    """Yield findings about the cameras as a rig."""
    yield from _twins(views)
    yield from check_order(profile.camera_names(), camera_order)
    yield from _blind_sectors(profile)
    yield from _ground(profile)


def _twins(views: tuple[View, ...]) -> Iterator[Finding]:
    """Compare the heading and the lens of every pair of cameras."""
    for first, second in combinations(views, 2):
        apart = max(
            angle_between_rad(first.heading_rad, second.heading_rad), abs(first.pitch_rad - second.pitch_rad)
        )
        alike = max(first.hfov_rad, second.hfov_rad) < 1.25 * min(first.hfov_rad, second.hfov_rad)
        if apart > TWIN_RAD or not alike:
            continue
        names = f"{first.camera.name} and {second.camera.name}"
        if np.array_equal(first.camera.image_from_lidar, second.camera.image_from_lidar):
            message = f"{names} have the same matrices"
            yield Finding(
                "camera-twins",
                "error",
                second.camera.name,
                message,
                "one of them was copied: calibrate that camera",
            )
        else:
            message = f"{names} look in the same direction, {math.degrees(apart):.1f} degrees apart"
            mend = "unless they are a stereo pair, check which extrinsic belongs to which camera"
            yield Finding("camera-twins", "warning", second.camera.name, message, mend)


def check_order(names: tuple[str, ...], wanted: Sequence[str]) -> Iterator[Finding]:
    """Compare the order of the cameras with the model's, and yield the difference."""
    if not wanted or names == tuple(wanted):
        return
    if sorted(names) == sorted(wanted):
        message = f"the order is {', '.join(names)}; the model expects {', '.join(wanted)}"
        yield Finding(
            "camera-order", "error", "", message, "reorder `cameras:` (and the images) to match the model"
        )
    elif len(names) != len(wanted):
        message = f"the profile has {counted(len(names), 'camera')}, the model {len(wanted)}"
        yield Finding(
            "camera-order", "error", "", message, f"list exactly these cameras: {', '.join(wanted)}"
        )
    else:
        strangers = ", ".join(name for name in names if name not in wanted)
        message = f"the model does not know these cameras: {strangers}; their order cannot be checked"
        yield Finding("camera-order", "warning", "", message, f"the model's order is {', '.join(wanted)}")


def _blind_sectors(profile: CalibrationProfile) -> Iterator[Finding]:
    """Find sectors, at 20 m around the lidar, that no camera sees at any of three heights."""
    points = np.concatenate([_ring(profile, 20.0, height_m) for height_m in SECTOR_HEIGHTS_M])
    seen = np.zeros(360, dtype=bool)
    for camera in profile.cameras:
        seen |= sees(camera, points).reshape(len(SECTOR_HEIGHTS_M), 360).any(axis=0)
    frame = "the vehicle" if profile.ego_from_lidar is not None else "the lidar"
    for start, width in _runs(~seen):
        if width >= BLIND_SECTOR_DEG:
            low, high = (math.remainder(degrees, 360) for degrees in (start, start + width))
            message = f"no camera sees the {width} degrees from {low:+.0f} to {high:+.0f} around {frame}"
            mend = (
                "normal for a partial rig; otherwise check the cameras next to the gap (0 is along "
                "x, left is positive)"
            )
            yield Finding("blind-sector", "warning", "", message, mend)


def _ground(profile: CalibrationProfile) -> Iterator[Finding]:
    """Check that at least one camera sees ground within a few metres."""
    rings = [
        _ground_ring(profile, float(radius_m))[::BEARING_STEP]
        for radius_m in np.arange(1.0, NEAR_GROUND_M, 0.5)
    ]
    points = np.concatenate(rings)
    if any(sees(camera, points).any() for camera in profile.cameras):
        return
    message = f"no camera sees the ground within {NEAR_GROUND_M:.0f} m"
    yield Finding(
        "ground-unseen",
        "warning",
        "",
        message,
        "check pitch, heights, and that z points up in the lidar's frame",
    )


def _ring(profile: CalibrationProfile, radius_m: float, height_m: float) -> Matrix:
    """Return one point per degree (360, 3) around the lidar, level in the vehicle, in the lidar frame."""
    points = _circle(radius_m, height_m)
    return points if profile.ego_from_lidar is None else points @ profile.ego_from_lidar[:3, :3]


def _ground_ring(profile: CalibrationProfile, radius_m: float) -> Matrix:
    """Return one ground point per degree (360, 3) below and around the lidar, in the lidar frame."""
    if profile.ego_from_lidar is None:
        return _circle(radius_m, GROUND_BELOW_LIDAR_M)
    in_ego = _circle(radius_m, 0.0)
    in_ego[:, :2] += profile.ego_from_lidar[:2, 3]
    lidar_from_ego = inverse(profile.ego_from_lidar)
    return in_ego @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]


def _circle(radius_m: float, height_m: float) -> Matrix:
    angle = np.radians(np.arange(360))
    return np.stack([radius_m * np.cos(angle), radius_m * np.sin(angle), np.full(360, height_m)], axis=1)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and length of every run of true flags on a circle."""
    if flags.all():
        return [(0, len(flags))]
    first = int(np.argmin(flags))  # a false flag, so that no run is cut in two
    runs: list[tuple[int, int]] = []
    length = 0
    for step in range(1, len(flags) + 1):
        if flags[(first + step) % len(flags)]:
            length += 1
        elif length:
            runs.append(((first + step - length) % len(flags), length))
            length = 0
    return runs
