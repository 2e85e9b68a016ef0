"""Lint quaternions: detect those written with w last."""

from __future__ import annotations

from collections.abc import Iterator

from specialize.calibration.lint.findings import Finding
from specialize.calibration.lint.pose import STRAIGHT
from specialize.calibration.pose import (
    Matrix,
    inverse,
    product,
    quaternion_from_rotation,
    rigid,
    rotation_from_quaternion,
)
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import upright

QUATERNION_RULES = {"quaternion-order": "The quaternions are written with w last"}

_LEVEL = 0.9


def check_quaternions(profile: CalibrationProfile) -> Iterator[Finding]:
    """Yield a finding if most cameras are upright only when their quaternions are read with w last.

    Only profiles with a vehicle frame can be given as quaternions. Either all poses of the file are written that way,
    or only the cameras'.
    """
    if profile.ego_from_lidar is None:
        return
    poses = [
        product(profile.ego_from_lidar, inverse(camera.as_pinhole().camera_from_lidar))
        for camera in profile.cameras
    ]  # ego_from_camera
    standing = sum(upright(pose[:3, :3].T) > STRAIGHT for pose in poses)
    lidars = (profile.ego_from_lidar, _w_last(profile.ego_from_lidar))
    if 2 * standing > len(poses) or not any(lidar[2, 2] > _LEVEL for lidar in lidars):
        return
    if all(upright(_w_last(pose)[:3, :3].T) > STRAIGHT for pose in poses):
        count = f"all {len(poses)} do" if len(poses) > 1 else "it does"
        message = (
            f"{standing} of {len(poses)} cameras are upright as given; {count} if quaternions are read as [x, y, z, "
            "w]"
        )
        mend = "rotation_wxyz has w first: write [w, x, y, z] in every pose, including lidar2ego"
        yield Finding("quaternion-order", "error", "", message, mend)


def _w_last(pose: Matrix) -> Matrix:
    """Return the intended (4, 4) pose if its quaternion, read as (w, x, y, z), was written as (x, y, z, w)."""
    x, y, z, w = quaternion_from_rotation(pose[:3, :3])
    return rigid(rotation_from_quaternion((w, x, y, z)), pose[:3, 3])
