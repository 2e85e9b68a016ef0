"""Real rigs as arrays, and what writers of other formats need to express them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration.pose import quaternion_from_rotation
from specialize.calibration.profile import CalibrationProfile
from tests.shared_files import calibration, raw_calibration

# The three static rigs and one frame of two of them.
LATE, OTHER = "nuscenes_n008_2018-07-26_to_2018-09-18", "nuscenes_n015_2018-07-11_to_2018-11-21"
FRAME = "nuscenes_n008-2018-08-01-15-16-36_frame07"


@dataclass(frozen=True)
class RealCamera:
    """One camera: size in px, intrinsic (3, 3), lidar2cam (4, 4)."""

    name: str
    size: tuple[int, int]
    k: np.ndarray
    lidar2cam: np.ndarray
    raw: dict[str, Any]


@dataclass(frozen=True)
class RealRig:
    """One file of real calibrations."""

    cameras: tuple[RealCamera, ...]
    lidar2ego: np.ndarray
    raw: dict[str, Any]

    def cam2ego(self, camera: RealCamera) -> np.ndarray:
        """Return the pose (4, 4) of a camera on the vehicle."""
        return self.lidar2ego @ np.linalg.inv(camera.lidar2cam)

    def names(self) -> tuple[str, ...]:
        """Return the cameras' names."""
        return tuple(camera.name for camera in self.cameras)


def real(name: str) -> RealRig:
    """Return a rig of the shared calibrations."""
    raw = raw_calibration(calibration(name))
    cameras = tuple(
        RealCamera(
            c["name"], (c["width"], c["height"]), np.array(c["intrinsic"]), np.array(c["lidar2cam"]), c
        )
        for c in raw["cameras"]
    )
    return RealRig(cameras, np.array(raw.get("lidar2ego", np.eye(4))), raw)


def wxyz(pose: np.ndarray) -> list[float]:
    """Return a pose's rotation as quaternion, w first."""
    return list(quaternion_from_rotation(pose[:3, :3]))


def xyz(pose: np.ndarray) -> list[float]:
    """Return a pose's translation."""
    return [float(value) for value in pose[:3, 3]]


def check(profile: CalibrationProfile, rig: RealRig, atol: float = 1e-9) -> None:
    """Assert that a profile is this rig: names, sizes, intrinsics in px, poses in m."""
    assert profile.camera_names() == rig.names()
    for camera, truth in zip(profile.cameras, rig.cameras, strict=True):
        assert (camera.width_px, camera.height_px) == truth.size
        lens = camera.as_pinhole()
        np.testing.assert_allclose(lens.intrinsic, truth.k, rtol=0, atol=1e3 * atol, err_msg=camera.name)
        np.testing.assert_allclose(
            lens.camera_from_lidar, truth.lidar2cam, rtol=0, atol=atol, err_msg=camera.name
        )


def write(path: Path, text: str) -> Path:
    """Write a text file, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
