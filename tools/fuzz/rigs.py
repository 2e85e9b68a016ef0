"""Files of rigs with lenses, to start fuzzing from, and the reader that takes any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from specialize.calibration.document import parse_document
from specialize.calibration.formats.importer import read_format
from specialize.calibration.load import dump_profile, parse_profile
from specialize.errors import InternalError, SpecializeError

FORMATS: dict[str, dict[str, str]] = {
    "driveworks": {},
    "ncore": {},
    "woodscape": {},
    "openlabel": {"points": "A"},
    "kalibr": {"lens": "true"},
}
POINTS = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.1], [0.0, 0.0, 1.0]])


def read_rig(data: bytes, folder: Path) -> object:
    """Read a file as each of the formats; a profile must see, be written, and be read again as the same.

    Raises:
        SpecializeError: None of the formats takes it; what the first says.
    """
    path, said = folder / "rig.json", []
    path.write_bytes(data)
    for name, options in FORMATS.items():
        try:
            profile = read_format(name, path, options)
        except SpecializeError as error:
            if isinstance(error, InternalError):
                raise
            said.append(error)
            continue
        for camera in profile.cameras:
            camera.project(POINTS)
        again = parse_profile(parse_document(dump_profile(profile), "rig.yaml"), "rig.yaml")
        assert again.digest == profile.digest, name
        return profile
    raise said[0]


def read_description(data: bytes, folder: Path) -> object:
    """Read a file as a description of a vehicle with one camera, whose lens is there."""
    path = folder / "robot.urdf"
    path.write_bytes(data)
    (folder / "A.yaml").write_text(_CAMERA_INFO)
    return read_format("urdf", path, {"lidar": "lidar", "camera_info": "."})


def descriptions() -> Sequence[bytes]:
    """Return a description with a lidar and a camera."""
    joints = "".join(
        f'<link name="{child}"/><joint name="{child}" type="fixed"><parent link="base_link"/><child link="{child}"/>'
        '<origin xyz="1 0 1.5" rpy="-1.57 0 -1.57"/></joint>'
        for child in ("lidar", "A_optical_frame")
    )
    return [f'<robot name="van"><link name="base_link"/>{joints}</robot>'.encode()]


_CAMERA_INFO = yaml.safe_dump(
    {
        "image_width": 64,
        "image_height": 48,
        "camera_matrix": [40, 0, 32, 0, 40, 24, 0, 0, 1],
        "rectification_matrix": [1, 0, 0, 0, 1, 0, 0, 0, 1],
        "projection_matrix": [40, 0, 32, 0, 0, 40, 24, 0, 0, 0, 1, 0],
    }
)


def rigs() -> Sequence[bytes]:
    """Return a file of every format."""
    unit, glass = np.eye(4).tolist(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    pose = {"quaternion": [0.0, 0.0, 0.0, 1.0], "t": [0.0, 0.0, 1.0]}
    properties = {
        "Model": "ftheta",
        "bw-poly": "0 1e-3 2e-8",
        "cx": "32",
        "cy": "24",
        "width": "64",
        "height": "48",
    }
    sensor = {"name": "a", "protocol": "camera.virtual", "sensor2Rig": pose, "properties": properties}
    ncore = {
        "resolution": [64, 48], "principal_point": [32.0, 24.0], "focal_length": [40.0, 40.0], "max_angle": 1.0,
        "radial_coeffs": [0.01, 0.0, 0.0, 0.0],
        "external_distortion_parameters": {"horizontal_poly": glass, "vertical_poly": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]},
    }  # fmt: skip
    front = {
        "name": "FV", "extrinsic": {"quaternion": [0.0, 0.0, 0.0, 1.0], "translation": [3.0, 0.0, 0.6]},
        "intrinsic": {
            "model": "radial_poly", "width": 64, "height": 48, "cx_offset": 1.0, "cy_offset": -1.0,
            "k1": 33.0, "k2": -3.0, "k3": 4.0, "k4": -0.7,
        },
    }  # fmt: skip
    intrinsics = {
        "width_px": 64,
        "height_px": 48,
        "lens_coeffs": [33.0, 0.0, 0.2, 1.1],
        "center_x": 1.0,
        "center_y": -1.0,
    }
    labels = {
        "streams": {"A": {"type": "camera", "stream_properties": {"intrinsics_fisheye": intrinsics}}},
        "coordinate_systems": {
            "B": {"parent": ""},
            "A": {"parent": "B", "pose_wrt_parent": {"matrix4x4": np.eye(4).ravel().tolist()}},
        },
    }
    chain = {
        "cam0": {
            "camera_model": "ds",
            "intrinsics": [-0.2, 0.6, 30.0, 30.0, 32.0, 24.0],
            "resolution": [64, 48],
        }
    }
    stored = {"camera_model_type": "opencv-fisheye", "camera_model_parameters": ncore, "T_sensor_rig": unit}
    documents: list[object] = [{"rig": {"sensors": [sensor]}}, {"a": stored}, front, {"openlabel": labels}]
    return [*(json.dumps(each).encode() for each in documents), yaml.safe_dump(chain).encode()]
