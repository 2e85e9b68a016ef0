"""Waymo Open Dataset: the camera calibrations of a segment, from its TFRecord or from JSON.

Frames: `extrinsic` maps camera to vehicle (x forward, y left, z up, rear axle), row-major; points are
delivered in the vehicle frame, so that is the frame of the points here.

Pitfalls:
- The camera frame is x forward, y left, z up, not optical: the fixed rotation is applied here.
- The side cameras have fewer rows than the others, and their principal point is well off the centre.
- Intrinsics are [f_u, f_v, c_u, c_v, k1, k2, p1, p2, k3]; images are distorted.
- In the file FRONT_LEFT comes before FRONT_RIGHT; here the order is that of six-camera models.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.formats.source import in_order, read_json, require
from specialize.calibration.pose import OPTICAL_FROM_BODY, Matrix, inverse, product, rigid
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.files.protobuf import doubles, fields, first

NAMES = {
    1: "FRONT",
    2: "FRONT_LEFT",
    3: "FRONT_RIGHT",
    4: "SIDE_LEFT",
    5: "SIDE_RIGHT",
    6: "REAR_LEFT",
    7: "REAR",
    8: "REAR_RIGHT",
}
ORDER = ("FRONT", "FRONT_RIGHT", "FRONT_LEFT", "SIDE_RIGHT", "SIDE_LEFT", "REAR", "REAR_LEFT", "REAR_RIGHT")
RECORD_LIMIT_BYTES = 256 << 20

Entry = dict[str, Any]


def read(path: Path, cameras: str = "", vehicle: str = "") -> CalibrationProfile:
    """Return the calibration of one segment.

    Args:
        path: A `.tfrecord` file, of which the first frame is read, or JSON with the context's
            `camera_calibrations` as protobuf prints them (camelCase or snake_case).
        cameras: Names in order, separated by commas; all if empty.
        vehicle: Name of the vehicle; the segment's name if empty.
    """
    entries = _from_json(path) if path.suffix == ".json" else _from_tfrecord(path)
    result = []
    for name, entry in in_order(entries, cameras, ORDER, str(path)).items():
        where = f"{path}: {name}"
        numbers = [float(value) for value in entry["intrinsic"]]
        if len(numbers) != 9 or len(entry["extrinsic"]) != 16:
            found = f"{len(numbers)} and {len(entry['extrinsic'])}"
            raise InputError(where, "9 numbers of intrinsic and 16 of extrinsic", found)
        fu, fv, cu, cv, *lens = numbers
        pose = _camera_from_vehicle(np.array(entry["extrinsic"], dtype=np.float64).reshape(4, 4))
        result.append(
            Camera.pinhole(
                name,
                (int(entry["width"]), int(entry["height"])),
                [[fu, 0.0, cu], [0.0, fv, cv], [0.0, 0.0, 1.0]],
                pose,
                distortion=Distortion("plumb_bob", tuple(lens)),
            )
        )
    return CalibrationProfile(vehicle or path.stem, tuple(result), np.eye(4))


def _camera_from_vehicle(vehicle_from_camera: Matrix) -> Matrix:
    """Return the pose (4, 4) to optical axes, from Waymo's camera axes."""
    return product(rigid(OPTICAL_FROM_BODY, np.zeros(3)), inverse(vehicle_from_camera))


def _from_json(path: Path) -> dict[str, Entry]:
    """Return the calibrations of a context, a frame or a bare list in JSON."""
    document = read_json(path)
    for key in ("context", "cameraCalibrations", "camera_calibrations"):
        if isinstance(document, Mapping) and key in document:
            document = document[key]
    if not isinstance(document, list):
        raise InputError(str(path), "a list of camera calibrations", type(document).__name__)
    entries = {}
    for number, entry in enumerate(document):
        require(entry, ("name", "intrinsic", "extrinsic", "width", "height"), f"{path}: [{number}]")
        name = NAMES.get(entry["name"], str(entry["name"]))
        require(entry["extrinsic"], ("transform",), f"{path}: [{number}].extrinsic")
        entries[name] = {**entry, "extrinsic": entry["extrinsic"]["transform"]}
    return entries


def _from_tfrecord(path: Path) -> dict[str, Entry]:
    """Return the calibrations in the first frame of a TFRecord: length, checksum, frame, checksum."""
    if not path.is_file():
        raise InputError(str(path), "a TFRecord or JSON file", "no such file")
    with path.open("rb") as file:
        head = file.read(12)
        length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
        data = file.read(length) if 0 < length <= RECORD_LIMIT_BYTES else b""
    if not data or len(data) != length:
        raise InputError(str(path), "a complete TFRecord", f"a truncated record of {length} bytes")
    context = first(fields(data, str(path)), 1, str(path))
    entries = {}
    for camera in fields(context, str(path)).get(2, []):
        parts = fields(camera, str(path))
        pose = fields(first(parts, 3, str(path)), str(path))
        name = NAMES.get(first(parts, 1, str(path)), "UNKNOWN")
        entries[name] = {
            "intrinsic": doubles(parts.get(2, [])),
            "extrinsic": doubles(pose.get(1, [])),
            "width": first(parts, 4, str(path)),
            "height": first(parts, 5, str(path)),
        }
    return entries
