"""Take cameras of a vehicle off: a dead or absent camera is one that is calibrated to see nothing.

Models keep the input and the place of such a camera. Its calibration is that of a camera ten kilometres above the
lidar that looks up: every point around the vehicle is behind it, for the original model and for its build alike.
So a build without a camera is proven as every other, and the profile's digest tells which cameras are off.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.pose import Matrix, intrinsic_4x4, product
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, closest

AWAY_M = 1e4
"""How far above the lidar a camera is that is off."""
WIDEST_RAD = math.radians(179)
"""A lens that sees farther from its axis could see the vehicle behind it: a grid of 100 m is 0.6 degrees wide."""


def parked() -> Matrix:
    """Return `camera_from_lidar` (4, 4), in m, of a camera that is off: depth is z - 10,000 m."""
    pose = np.eye(4)
    pose[2, 3] = -AWAY_M
    return pose


def is_off(camera: Camera) -> bool:
    """Return whether a camera has been taken off."""
    pose = camera.camera_from_lidar
    return pose is not None and np.array_equal(pose, parked())


def cameras_off(profile: CalibrationProfile) -> tuple[str, ...]:
    """Return the names of the cameras that are off, in order."""
    return tuple(camera.name for camera in profile.cameras if is_off(camera))


def without(profile: CalibrationProfile, names: Sequence[str]) -> CalibrationProfile:
    """Return a profile in which cameras are off; their lenses and sizes stay.

    Raises:
        UsageError: The vehicle has no such camera, or no camera would be left.
        InputError: A camera's lens sees what is behind it.
    """
    if not names:
        return profile
    known = profile.camera_names()
    for name in names:
        if name not in known:
            raise UsageError("--without", f"a camera of {profile.vehicle}", repr(name), closest(name, known))
    if set(known) == {*names, *cameras_off(profile)}:
        raise UsageError("--without", "fewer cameras than the vehicle has", f"all {len(known)}")
    cameras = tuple(_taken_off(each) if each.name in names else each for each in profile.cameras)
    return CalibrationProfile(
        profile.vehicle, cameras, profile.ego_from_lidar, notes=profile.notes, schema=profile.schema
    )


def off_options(names: Sequence[str]) -> list[str]:
    """Return the options of a command that take cameras off: `--without CAM_LEFT`."""
    return [word for name in names for word in ("--without", name)]


def off_name(vehicle: str, names: Sequence[str]) -> str:
    """Return the name that tells a vehicle without cameras from the whole one: `car42-without-CAM_LEFT`."""
    return "-".join([vehicle, *(["without", *dict.fromkeys(names)] if names else [])])


def _taken_off(camera: Camera) -> Camera:
    lens = camera.lens if camera.is_raw else None
    if lens is not None and lens.limit_rad > WIDEST_RAD:
        hint = "give the lens a max_angle_rad: the angle that its image really shows"
        found = f"one that sees up to {math.degrees(lens.limit_rad):.0f} degrees"
        raise InputError(
            f"camera {camera.name!r}: lens",
            "a lens that does not see what is behind it, to take it off",
            found,
            hint,
        )
    intrinsic = camera.as_pinhole().intrinsic
    return dataclasses.replace(
        camera, image_from_lidar=product(intrinsic_4x4(intrinsic), parked()), intrinsic=intrinsic,
        camera_from_lidar=parked(),
    )  # fmt: skip
