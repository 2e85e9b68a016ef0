"""Argoverse 2: `intrinsics.feather` and `egovehicle_SE3_sensor.feather` of one log.

Frames: `egovehicle_SE3_sensor` maps a sensor to the vehicle (x forward, y left, z up, rear axle);
cameras in optical axes; quaternions in columns qw, qx, qy, qz.

Pitfalls:
- Sizes differ per camera: the front centre camera is portrait.
- Sweeps are delivered in the vehicle frame, so `points` is `egovehicle`; models that read the roof lidar's
  own frame want `up_lidar`.
- The released images are undistorted, with these intrinsics. The coefficients k1, k2, k3 are those of the
  lens before that, so they are not copied.
- The stereo cameras are not part of the ring.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.formats.source import folder, in_order, pose_from, require
from specialize.calibration.pose import inverse, product
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest, missing_package

RING_CAMERAS = (
    "ring_front_center",
    "ring_front_right",
    "ring_front_left",
    "ring_side_right",
    "ring_side_left",
    "ring_rear_right",
    "ring_rear_left",
)
_LENS = ("fx_px", "fy_px", "cx_px", "cy_px", "height_px", "width_px")
_POSE = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")


def read(path: Path, points: str = "egovehicle", cameras: str = "", vehicle: str = "") -> CalibrationProfile:
    """Return the calibration of one log.

    Args:
        path: The log's folder, or its `calibration` folder.
        points: Frame of the points: `egovehicle`, or the name of a lidar such as `up_lidar`.
        cameras: Names in order, separated by commas; the seven ring cameras if empty.
        vehicle: Name of the vehicle; the log's name if empty.
    """
    root = folder(path) / "calibration" if (path / "calibration").is_dir() else folder(path)
    lenses = _rows(root / "intrinsics.feather", _LENS)
    poses = {
        name: pose_from([row[key] for key in _POSE[:4]], [row[key] for key in _POSE[4:]], f"{root}: {name}")
        for name, row in _rows(root / "egovehicle_SE3_sensor.feather", _POSE).items()
    }
    if points != "egovehicle" and points not in poses:
        raise InputError(
            "option points", "a sensor of this log", repr(points), closest(points, [*poses, "egovehicle"])
        )
    ego_from_points = np.eye(4) if points == "egovehicle" else poses[points]
    wanted = cameras or ",".join(name for name in RING_CAMERAS if name in lenses)
    result = []
    for name, row in in_order(lenses, wanted, RING_CAMERAS, str(root)).items():
        require(poses, (name,), str(root / "egovehicle_SE3_sensor.feather"))
        intrinsic = [[row["fx_px"], 0, row["cx_px"]], [0, row["fy_px"], row["cy_px"]], [0, 0, 1]]
        pose = product(inverse(poses[name]), ego_from_points)
        size_px = (int(row["width_px"]), int(row["height_px"]))
        result.append(Camera.pinhole(name, size_px, intrinsic, pose))
    name = vehicle or (root.parent.name if root.name == "calibration" else root.name)
    return CalibrationProfile(name, tuple(result), ego_from_points)


def _rows(path: Path, columns: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the rows of a feather table by sensor name."""
    try:
        from pyarrow import ArrowInvalid, feather
    except ImportError:
        raise missing_package("argoverse2", "pyarrow", "formats", "to read feather files") from None
    if not path.is_file():
        raise InputError(str(path), "a feather file", "no such file")
    try:
        rows = feather.read_table(path).to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise InputError(str(path), "a feather table", str(error)[:200]) from None
    for row in rows:
        require(row, ("sensor_name", *columns), str(path))
    return {row["sensor_name"]: row for row in rows}
