"""Waymo: TFRecord and JSON, body axes of its cameras, cropped side cameras."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.formats import waymo
from specialize.errors import InputError
from tests.calibration.formats.rigs import RealCamera, RealRig, check, real

NAME = "waymo_1071392229495085036_1844_790_1864_790"
NUMBERS = {name: number for number, name in waymo.NAMES.items()}
# Waymo's camera axes (x forward, y left, z up) from optical ones, and back.
BODY_FROM_OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def varint(value: int) -> bytes:
    """Return a protobuf variable-length integer."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def nested(number: int, data: bytes) -> bytes:
    """Return a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def numbers(field: int, values: np.ndarray, packed: bool) -> bytes:
    """Return repeated doubles, packed or one by one."""
    if packed:
        return nested(field, np.asarray(values, "<f8").tobytes())
    return b"".join(varint(field << 3 | 1) + struct.pack("<d", value) for value in np.ravel(values))


def extrinsic(camera: RealCamera) -> np.ndarray:
    """Return camera to vehicle (4, 4) in Waymo's axes."""
    return np.linalg.inv(BODY_FROM_OPTICAL @ camera.lidar2cam)


def intrinsic(camera: RealCamera) -> np.ndarray:
    """Return Waymo's nine numbers."""
    k = camera.k
    return np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2], *camera.raw["distortion"]["coefficients"]])


def tfrecord(path: Path, rig: RealRig, packed: bool) -> Path:
    """Write one frame; the cameras stand in Waymo's own order, among other fields."""
    cameras = b""
    for camera in sorted(rig.cameras, key=lambda camera: NUMBERS[camera.name]):
        body = varint(1 << 3) + varint(NUMBERS[camera.name]) + numbers(2, intrinsic(camera), packed)
        body += nested(3, numbers(1, extrinsic(camera), packed))
        body += varint(4 << 3) + varint(camera.size[0]) + varint(5 << 3) + varint(camera.size[1])
        cameras += nested(2, body + varint(6 << 3) + varint(2))
    context = nested(1, b"segment") + cameras + nested(3, b"")
    frame = nested(1, context) + varint(2 << 3) + varint(1550083467346370) + varint(9 << 3 | 5) + b"1234"
    path.write_bytes(struct.pack("<Q", len(frame)) + b"crc1" + frame + b"crc2")
    return path


@pytest.mark.parametrize("packed", [True, False])
def test_a_segment_is_read_from_its_tfrecord(tmp_path: Path, packed: bool) -> None:
    """Axes are turned to optical, the order is that of the model, side cameras keep their size and lens."""
    rig = real(NAME)
    profile = waymo.read(tfrecord(tmp_path / "s.tfrecord", rig, packed))
    check(profile, rig)
    assert profile.sizes_px().tolist()[3] == [1920, 886]
    lens = profile.cameras[0].distortion
    assert lens is not None
    assert (lens.model, list(lens.coefficients)) == (
        "plumb_bob",
        rig.cameras[0].raw["distortion"]["coefficients"],
    )


@pytest.mark.parametrize("key", ["cameraCalibrations", "camera_calibrations"])
def test_a_context_is_read_from_json(tmp_path: Path, key: str) -> None:
    """Protobuf's own JSON, names as words or numbers."""
    rig = real(NAME)
    entries = [
        {
            "name": camera.name if index % 2 else NUMBERS[camera.name],
            "intrinsic": intrinsic(camera).tolist(),
            "extrinsic": {"transform": extrinsic(camera).ravel().tolist()},
            "width": camera.size[0],
            "height": camera.size[1],
        }
        for index, camera in enumerate(rig.cameras)
    ]
    path = tmp_path / "context.json"
    path.write_text(json.dumps({"context": {"name": "s", key: entries}}))
    check(waymo.read(path), rig)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """A cut record, other bytes and a camera with too few numbers are errors of ours."""
    whole = tfrecord(tmp_path / "s.tfrecord", real(NAME), True).read_bytes()
    path = tmp_path / "bad.tfrecord"
    path.write_bytes(whole[:500])
    with pytest.raises(InputError, match="expected a complete TFRecord"):
        waymo.read(path)
    path.write_bytes(struct.pack("<Q", 8) + b"crc1" + b"\xff" * 8)
    with pytest.raises(InputError, match="expected a protobuf message"):
        waymo.read(path)
    path.write_bytes(struct.pack("<Q", 2) + b"crc1" + varint(2 << 3) + varint(5))
    with pytest.raises(InputError, match="expected the protobuf field 1"):
        waymo.read(path)
    json_path = tmp_path / "c.json"
    entry = {"name": "FRONT", "intrinsic": [1], "extrinsic": {"transform": [0] * 16}, "width": 1, "height": 1}
    json_path.write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="expected 9 numbers of intrinsic and 16 of extrinsic, got 1 and 16"):
        waymo.read(json_path)
