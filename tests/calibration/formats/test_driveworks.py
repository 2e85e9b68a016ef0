"""DriveWorks rig files: poses, polynomials, numbers as text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import driveworks
from specialize.errors import InputError, UsageError
from tests.calibration.formats.poses import optical, xyzw
from tests.calibration.formats.rigs import write
from tests.strategies import rotation

DEGREES = (0.13, 0.38, -66.8)
BACKWARD = "0.0 0.00102186773438007 6.5174766916698e-08 -8.68132649101128e-11 9.99595439516061e-14"


def flu(degrees: tuple[float, float, float], offset_m: tuple[float, float, float]) -> np.ndarray:
    """Return a pose of roll, pitch and yaw about fixed axes."""
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        about = np.zeros(3)
        about[axis] = angle
        matrix[:3, :3] = rotation(about) @ matrix[:3, :3]
    matrix[:3, 3] = offset_m
    return matrix


def sensor(**changes: Any) -> dict[str, Any]:
    """Return a camera of a rig file."""
    return {
        "name": "camera:cross:right:120fov",
        "protocol": "camera.virtual",
        "nominalSensor2Rig_FLU": {"roll-pitch-yaw": list(DEGREES), "t": [1.06, -0.13, 1.48]},
        "properties": {
            "Model": "ftheta", "bw-poly": BACKWARD, "cx": "960.5", "cy": "604", "height": "1208", "width": "1920",
        },
        **changes,
    }  # fmt: skip


def rig_file(path: Path, *sensors: dict[str, Any]) -> Path:
    """Write a rig file."""
    return write(
        path / "rig.json", json.dumps({"rig": {"sensors": list(sensors), "vehicle": {}}, "version": 7})
    )


CORRECTED = {
    "correction_sensor_R_FLU": {"roll-pitch-yaw": [0.8, 2.3, 0.6]},
    "correction_rig_T": [0.08, 0.01, 0.33],
}
NOMINAL = optical(flu(DEGREES, (1.06, -0.13, 1.48)))
ACTUAL = optical(flu(DEGREES, (1.14, -0.12, 1.81)) @ flu((0.8, 2.3, 0.6), (0, 0, 0)))


@pytest.mark.parametrize(
    ("extra", "option", "expected"),
    [
        ({}, "", NOMINAL),
        (CORRECTED, "", ACTUAL),
        (CORRECTED, "actual", ACTUAL),
        (CORRECTED, "nominal", NOMINAL),
        ({"sensor2Rig": {"quaternion": xyzw(ACTUAL), "t": ACTUAL[:3, 3].tolist()}}, "", ACTUAL),
        ({"sensor2Rig": {"quaternion": xyzw(ACTUAL), "t": ACTUAL[:3, 3].tolist()}}, "nominal", NOMINAL),
    ],
)
def test_driveworks_poses_are_nominal_or_actual(
    extra: dict[str, Any], option: str, expected: np.ndarray, tmp_path: Path
) -> None:
    """Corrections turn the sensor and shift it in the rig; poses without _FLU start from the optical axes."""
    profile = driveworks.read(rig_file(tmp_path, sensor(**extra)), pose=option)
    np.testing.assert_allclose(np.linalg.inv(profile.cameras[0].camera_from_lidar), expected, atol=1e-9)


def test_driveworks_points_may_be_in_a_lidar(tmp_path: Path) -> None:
    """With `lidar`, points are in that sensor's frame; it has no optical axes."""
    lidar = {
        "name": "lidar:top", "protocol": "lidar.virtual",
        "nominalSensor2Rig_FLU": {"roll-pitch-yaw": [0.0, 0.0, 90.0], "t": [1.0, 0.0, 2.0]},
    }  # fmt: skip
    profile = driveworks.read(rig_file(tmp_path, sensor(), lidar), lidar="lidar:top")
    expected = np.linalg.inv(NOMINAL) @ flu((0, 0, 90), (1, 0, 2))
    np.testing.assert_allclose(profile.cameras[0].camera_from_lidar, expected, atol=1e-9)
    np.testing.assert_allclose(profile.ego_from_lidar, flu((0, 0, 90), (1, 0, 2)), atol=1e-9)
    with pytest.raises(UsageError, match="did you mean 'lidar:top'"):
        driveworks.read(rig_file(tmp_path, sensor(), lidar), lidar="lidar:to")


@pytest.mark.parametrize("kind", ["bw-poly", "pixeldistance-to-angle", "angle-to-pixeldistance"])
def test_driveworks_polynomials_go_either_way(kind: str, tmp_path: Path) -> None:
    """A pixel r beside the centre looks along the polynomial's angle, or an angle lands at the polynomial's pixel."""
    properties = {**sensor()["properties"], "linear-c": "1.001", "linear-d": 2e-4, "linear-e": "-3e-4"}
    if kind != "bw-poly":
        del properties["bw-poly"]
        text = BACKWARD if kind.startswith("pixel") else "0 900.5 -3.1 4.5"
        properties |= {"polynomial": text, "polynomial-type": kind}
    lens = driveworks.read(rig_file(tmp_path, sensor(properties=properties))).cameras[0].lens
    assert lens is not None
    r = 400.0
    theta = sum(float(word) * r**power for power, word in enumerate(BACKWARD.split()))
    if kind == "angle-to-pixeldistance":
        theta = 0.41
        r = 900.5 * theta - 3.1 * theta**2 + 4.5 * theta**3
    pixel, valid = lens.project([math.sin(theta), 0.0, math.cos(theta)])
    assert valid
    np.testing.assert_allclose(pixel, [960.5 + 1.001 * r, 604 - 3e-4 * r], atol=1e-6)


def test_driveworks_says_what_it_cannot_take(tmp_path: Path) -> None:
    """Other models, seven coefficients, no actual pose, and corrections without a frame are errors."""
    properties = sensor()["properties"]
    with pytest.raises(InputError, match="expected ftheta, got 'ocam'"):
        driveworks.read(rig_file(tmp_path, sensor(properties={**properties, "Model": "ocam"})))
    with pytest.raises(InputError, match="at most 6 coefficients, got 7"):
        driveworks.read(rig_file(tmp_path, sensor(properties={**properties, "bw-poly": BACKWARD + " 0 0"})))
    with pytest.raises(InputError, match="use pose=nominal"):
        driveworks.read(rig_file(tmp_path, sensor()), pose="actual")
    bare = {key: value for key, value in sensor(**CORRECTED).items() if key != "nominalSensor2Rig_FLU"}
    bare["nominalSensor2Rig"] = {"quaternion": [0, 0, 0, 1], "t": [0, 0, 0]}
    with pytest.raises(InputError, match="corrections beside nominalSensor2Rig"):
        driveworks.read(rig_file(tmp_path, bare))
    with pytest.raises(UsageError, match="actual or nominal"):
        driveworks.read(rig_file(tmp_path, sensor()), pose="real")
