"""A small valid profile as plain values, for tests to break; and Hypothesis rigs as profiles."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import yaml

from specialize.calibration.camera import Camera
from specialize.calibration.load import parse_profile
from specialize.calibration.profile import CalibrationProfile
from tests.strategies import Rig

LIDAR2CAM = [[1.0, 0.0, 0.0, 0.2], [0.0, 0.0, -1.0, -0.3], [0.0, 1.0, 0.0, -0.8], [0.0, 0.0, 0.0, 1.0]]
INTRINSIC = [[1250.0, 0.0, 801.5], [0.0, 1249.0, 452.5], [0.0, 0.0, 1.0]]
# The same pose as LIDAR2CAM through the vehicle frame: both rotations are exact in float64.
LIDAR2EGO = {"rotation_wxyz": [1.0, 0.0, 0.0, 0.0], "translation_m": [0.0, 0.0, 0.0]}
SENSOR2EGO = {"rotation_wxyz": [0.5**0.5, -(0.5**0.5), 0.0, 0.0], "translation_m": [-0.2, 0.8, -0.3]}


def valid() -> dict[str, Any]:
    """Return two cameras: FRONT as intrinsic + lidar2cam, BACK as lidar2img."""
    back = np.diag([-1.0, 1.0, -1.0, 1.0]) @ np.array(LIDAR2CAM)
    wide = np.eye(4)
    wide[:3, :3] = INTRINSIC
    text = yaml.safe_dump(
        {
            "schema": "specialize/profile@1",
            "vehicle": "test car",
            "cameras": [
                {"name": "FRONT", "size_px": [1600, 900], "intrinsic": INTRINSIC, "lidar2cam": LIDAR2CAM},
                {"name": "BACK", "size_px": [1600, 900], "lidar2img": (wide @ back).tolist()},
            ],
        }
    )
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def by_sensor_pose() -> dict[str, Any]:
    """Return the valid document with FRONT spelled as intrinsic + sensor2ego."""
    document = valid()
    front = document["cameras"][0]
    del front["lidar2cam"]
    front["sensor2ego"] = copy.deepcopy(SENSOR2EGO)
    document["lidar2ego"] = copy.deepcopy(LIDAR2EGO)
    return document


def parse(document: object) -> CalibrationProfile:
    """Return the profile of plain values; errors name `car.yaml`."""
    return parse_profile(document, "car.yaml")


def as_profile(rig: Rig) -> CalibrationProfile:
    """Return a generated rig as a profile with cameras C0, C1, ..."""
    cameras = [
        Camera.pinhole(f"C{i}", (int(size[0]), int(size[1])), rig.intrinsic[i], rig.camera_from_lidar[i])
        for i, size in enumerate(rig.size_px)
    ]
    return CalibrationProfile("generated", tuple(cameras))
