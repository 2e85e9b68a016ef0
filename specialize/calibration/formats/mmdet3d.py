"""mmdet3d infos files (pickles), versions 1 and 2, as BEVFormer, BEVDet and others use them.

Version 1: `infos[i].cams[NAME]` with `cam_intrinsic`, `sensor2lidar_rotation` (3x3) and
`sensor2lidar_translation`, which map camera points (optical axes) to the lidar at its own time.
Version 2: `data_list[i].images[NAME]` with `cam2img` (3x3, or 4x4 for KITTI) and `lidar2cam` (4x4).

Pitfalls:
- The file is a pickle: it is read by `safe_pickle`, which can run nothing.
- It is a calibration per frame: version 1's sensor2lidar contains the vehicle's motion between the
  exposures. `static` takes sensor2ego and lidar2ego instead, the calibration of the vehicle.
- Converters build the rotation for row vectors (`points @ R.T + T`); what is stored is R for columns.
- KITTI's `cam2img` has a translation column, which belongs to the pose.
- No version states image sizes reliably: `size` does unless the file has `width` and `height`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.formats.safe_pickle import numbers, read_pickle
from specialize.calibration.formats.source import SIX_CAMERAS, Size, in_order, parse_size, pose_from, require
from specialize.calibration.pose import Matrix, Pinhole, inverse, product, split_projection
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError


def read(
    path: Path,
    index: int = 0,
    static: bool = False,
    cameras: str = "",
    size: str = "1600x900",
    vehicle: str = "",
) -> CalibrationProfile:
    """Return the calibration of one frame of an infos file.

    Args:
        path: The pickle.
        index: Which frame.
        static: Leave out the motion between the exposures (needs sensor2ego or cam2ego).
        cameras: Names in order, separated by commas; BEVFormer's order if empty.
        size: Image size where the file does not state it.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    document = read_pickle(path)
    key = "data_list" if isinstance(document, Mapping) and "data_list" in document else "infos"
    frames = document.get(key) if isinstance(document, Mapping) else document
    if not isinstance(frames, list) or not frames:
        raise InputError(str(path), "`infos` (version 1) or `data_list` (version 2)", type(frames).__name__)
    if not -len(frames) <= index < len(frames):
        raise InputError("option index", f"a frame below {len(frames)}", str(index))
    where = f"{path}: {key}[{index}]"
    frame = frames[index]
    version2 = "images" in frame
    require(frame, ("images" if version2 else "cams",), where)
    entries = {
        name: entry
        for name, entry in frame["images" if version2 else "cams"].items()
        if isinstance(entry, Mapping)
    }
    ego_from_lidar = _lidar_pose(frame, version2, where)
    if static and ego_from_lidar is None:
        raise InputError(where, "lidar2ego, because the motion is left out", "nothing")
    result = []
    for name, entry in in_order(entries, cameras, SIX_CAMERAS, where).items():
        place = f"{where}.{'images' if version2 else 'cams'}.{name}"
        lens = _version_2(entry, place) if version2 else _version_1(entry, place)
        pose = lens.camera_from_lidar
        if static and ego_from_lidar is not None:
            pose = product(inverse(_camera_pose(entry, version2, place)), ego_from_lidar)
        result.append(Camera.pinhole(name, _size(entry, size), lens.intrinsic, pose))
    return CalibrationProfile(vehicle or path.stem, tuple(result), ego_from_lidar)


def _version_1(entry: Mapping[str, Any], where: str) -> Pinhole:
    """Return lens and pose from cam_intrinsic and sensor2lidar."""
    require(entry, ("cam_intrinsic", "sensor2lidar_rotation", "sensor2lidar_translation"), where)
    rotation = numbers(entry["sensor2lidar_rotation"], f"{where}.sensor2lidar_rotation")
    translation = numbers(entry["sensor2lidar_translation"], f"{where}.sensor2lidar_translation")
    lidar_from_camera = pose_from(rotation, translation, f"{where}.sensor2lidar")
    return Pinhole(numbers(entry["cam_intrinsic"], where)[:3, :3], inverse(lidar_from_camera))


def _version_2(entry: Mapping[str, Any], where: str) -> Pinhole:
    """Return lens and pose from cam2img and lidar2cam."""
    require(entry, ("cam2img", "lidar2cam"), where)
    camera_from_lidar = _square(entry["lidar2cam"], f"{where}.lidar2cam")
    projection = numbers(entry["cam2img"], f"{where}.cam2img")
    if projection.shape == (3, 3):
        return Pinhole(projection, camera_from_lidar)
    if projection.shape not in ((3, 4), (4, 4)):
        raise InputError(f"{where}.cam2img", "a 3x3, 3x4 or 4x4 matrix", f"shape {projection.shape}")
    intrinsic, offset = split_projection(projection[:3])
    return Pinhole(intrinsic, product(offset, camera_from_lidar))


def _lidar_pose(frame: Mapping[str, Any], version2: bool, where: str) -> Matrix | None:
    """Return ego_from_lidar (4, 4) if the frame has it."""
    if version2:
        given = (frame.get("lidar_points") or {}).get("lidar2ego")
        return None if given is None else _square(given, f"{where}.lidar_points.lidar2ego")
    if frame.get("lidar2ego_rotation") is None:
        return None
    rotation = numbers(frame["lidar2ego_rotation"], f"{where}.lidar2ego_rotation")
    translation = numbers(frame["lidar2ego_translation"], f"{where}.lidar2ego_translation")
    return pose_from(rotation, translation, f"{where}.lidar2ego")


def _camera_pose(entry: Mapping[str, Any], version2: bool, where: str) -> Matrix:
    """Return ego_from_camera (4, 4)."""
    if version2:
        require(entry, ("cam2ego",), where)
        return _square(entry["cam2ego"], f"{where}.cam2ego")
    require(entry, ("sensor2ego_rotation", "sensor2ego_translation"), where)
    rotation = numbers(entry["sensor2ego_rotation"], f"{where}.sensor2ego_rotation")
    return pose_from(rotation, numbers(entry["sensor2ego_translation"], where), f"{where}.sensor2ego")


def _square(value: Any, where: str) -> Matrix:
    """Return a (4, 4) pose; a stored (3, 4) is completed."""
    matrix = numbers(value, where)
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0.0, 0.0, 0.0, 1.0]])
    if matrix.shape != (4, 4):
        raise InputError(where, "a 4x4 matrix", f"shape {matrix.shape}")
    return matrix


def _size(entry: Mapping[str, Any], size: str) -> Size:
    """Return the image size that the file states, or else the option's."""
    stated = entry.get("width"), entry.get("height")
    if all(isinstance(value, int) and value > 0 for value in stated):
        return Size(*(int(value) for value in stated if value is not None))
    return parse_size(size, "option size")
