"""Readers of the figures and the real rigs that stand beside a checkout, for the visibility tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tests import shared_files


@dataclass(frozen=True)
class SharedRig:
    """One file of real calibrations: matrices as stored, raw pixels, metres, the rig's lidar frame."""

    name: str
    intrinsic: np.ndarray
    camera_from_lidar: np.ndarray
    image_from_lidar: np.ndarray
    size_px: np.ndarray
    ego_from_lidar: np.ndarray | None
    offset_s: np.ndarray | None


@cache
def parity(name: str) -> Any:
    """Return one file of recorded figures."""
    return shared_files.parity(name)


def rule_rig() -> np.ndarray:
    """Return lidar2img (6, 4, 4) of the rig of the recorded figures, at full image size 1600x900."""
    return np.array(parity("bevformer_hits")["lidar2img_scale1"])


@cache
def rig_names() -> tuple[str, ...]:
    """Return the names of all real rigs and frames, sorted."""
    return tuple(path.stem for path in shared_files.calibrations())


@cache
def rig(name: str) -> SharedRig:
    """Read one calibration file."""
    data = shared_files.raw_calibration(shared_files.calibration(name))
    cameras = data["cameras"]

    def stack(key: str) -> np.ndarray:
        return np.array([camera[key] for camera in cameras], dtype=np.float64)

    offset = None
    if "timestamp_us" in data and all("timestamp_us" in camera for camera in cameras):
        offset = (stack("timestamp_us") - data["timestamp_us"]) * 1e-6
    return SharedRig(
        name,
        stack("intrinsic"),
        stack("lidar2cam"),
        stack("lidar2img"),
        np.array([[camera["width"], camera["height"]] for camera in cameras]),
        np.array(data["lidar2ego"]) if "lidar2ego" in data else None,
        offset,
    )


def frames(log: str) -> tuple[SharedRig, ...]:
    """Return the frames of one drive in order, from the beginning of their names."""
    return tuple(rig(name) for name in rig_names() if name.startswith(log))
