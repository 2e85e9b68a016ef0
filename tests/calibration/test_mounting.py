"""A data sheet's angles, matrices and axes give the pose that an independent library computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import yaml
from hypothesis import given
from scipy.spatial.transform import Rotation

from specialize.calibration.load import parse_profile
from specialize.calibration.mounting import BODY, OPTICAL, ORDERS
from specialize.calibration.pose import inverse
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.witness.rig import parse_rig

AXIS = {"roll": "X", "pitch": "Y", "yaw": "Z"}
LENS = [[800.0, 0.0, 500.0], [0.0, 800.0, 300.0], [0.0, 0.0, 1.0]]
LEVEL = {"rotation_wxyz": [1, 0, 0, 0], "translation_m": [0, 0, 0]}
ANGLE = st.floats(-180, 180, allow_nan=False)

OPTICAL_IN_BODY = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Columns: where right, down and forward point, in forward, left and up."""


def document(pose: Mapping[str, Any], lidar: Mapping[str, Any] = LEVEL) -> dict[str, Any]:
    """Return a profile of one camera with this pose in the vehicle."""
    camera = {"name": "CAM", "size_px": [1000, 600], "intrinsic": LENS, "sensor2ego": dict(pose)}
    return {
        "schema": "specialize/profile@1",
        "vehicle": "car",
        "lidar2ego": dict(lidar),
        "cameras": [camera],
    }


def parsed(pose: Mapping[str, Any], lidar: Mapping[str, Any] = LEVEL) -> CalibrationProfile:
    """Return that profile."""
    return parse_profile(document(pose, lidar), "car.yaml")


def rotation_of(pose: Mapping[str, Any]) -> np.ndarray:
    """Return the rotation of the optical frame in the vehicle."""
    (camera,) = parsed({**pose, "translation_m": [1.0, 2.0, 3.0]}).cameras
    assert camera.camera_from_lidar is not None
    found = inverse(camera.camera_from_lidar)
    assert np.allclose(found[:3, 3], [1.0, 2.0, 3.0], atol=1e-12)
    return np.asarray(found[:3, :3])


@given(ANGLE, ANGLE, ANGLE, st.sampled_from(ORDERS))
def test_angles_turn_as_in_scipy(roll: float, pitch: float, yaw: float, order: str) -> None:
    """Each about the axes that those before it have turned, for a camera that looks ahead at zero."""
    angles = {"roll": roll, "pitch": pitch, "yaw": yaw}
    names = order.split("-")
    sequence = "".join(AXIS[name] for name in names)
    wanted = Rotation.from_euler(sequence, [angles[name] for name in names], degrees=True).as_matrix()
    pose = {f"{name}_deg": angle for name, angle in angles.items()}
    found = rotation_of(pose | {"rotation_order": order, "axes": BODY})
    assert np.abs(found - wanted @ OPTICAL_IN_BODY).max() < 4e-15


@given(st.integers(0, 2**32 - 1), st.sampled_from(["rotation", "rotation_xyzw", "rotation_wxyz"]))
def test_matrices_and_quaternions_say_the_same(seed: int, spelling: str) -> None:
    """Whichever order a quaternion's numbers are named in; without axes the rotation is that of the optical frame."""
    wanted = Rotation.random(random_state=seed)
    x, y, z, w = wanted.as_quat().tolist()
    spelled = {
        "rotation": wanted.as_matrix().tolist(),
        "rotation_xyzw": [x, y, z, w],
        "rotation_wxyz": [w, x, y, z],
    }
    assert np.abs(rotation_of({spelling: spelled[spelling]}) - wanted.as_matrix()).max() < 1e-14


@given(ANGLE, ANGLE, ANGLE, st.sampled_from(ORDERS), st.sampled_from([BODY, OPTICAL, "left-backward-up"]))
def test_the_witness_reads_the_same_pose(
    roll: float, pitch: float, yaw: float, order: str, axes: str
) -> None:
    """By quaternions of half angles, from the text of the file."""
    pose = {"roll_deg": roll, "pitch_deg": pitch, "yaw_deg": yaw, "rotation_order": order, "axes": axes}
    lidar = {"yaw_deg": -90, "translation_m": [0.9, 0.0, 1.8]}
    whole = document(pose | {"translation_m": [1.5, -0.5, 1.4]}, lidar)
    rig = parse_rig(yaml.safe_dump(whole))
    profile = parse_profile(whole, "car.yaml")
    assert rig.eyes[0].image_from_lidar == pytest.approx(profile.image_from_lidar()[0], abs=1e-9)


def test_quarter_turns_are_exact() -> None:
    """A lidar whose x axis points right has zeros and ones in its pose."""
    pose = parsed(LEVEL, {"yaw_deg": -90, "translation_m": [0, 0, 0]}).ego_from_lidar
    assert pose is not None
    assert pose[:3, :3].tolist() == [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("pose", "wanted"),
    [
        ({"yaw_deg": 90.0}, (0, 1, 0)),  # looks left
        ({"pitch_deg": 90.0}, (0, 0, -1)),  # looks down
        ({"yaw_deg": 180.0, "pitch_deg": 90.0, "rotation_order": "pitch-yaw-roll"}, (0, 0, 1)),
    ],
)
def test_where_a_camera_looks(pose: dict[str, Any], wanted: tuple[int, int, int]) -> None:
    """Positive yaw to the left, positive pitch down, as of right-handed angles about forward, left, up."""
    assert np.allclose(rotation_of(pose | {"axes": BODY})[:, 2], wanted, atol=1e-15)


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        ({"yaw_deg": 3.0}, "the axes that the angles refer to"),
        ({"yaw_deg": 3.0, "pitch_deg": 1.0, "axes": BODY}, "the key 'rotation_order'"),
        ({"yaw_deg": 3.0, "rotation_order": "zyx", "axes": BODY}, "one of yaw-pitch-roll"),
        ({"yaw_deg": 3.0, "axes": "forward-right-up"}, "three right-handed axes"),
        ({"yaw_deg": 3.0, "axes": "forward-left"}, "three of forward"),
        ({"yaw_deg": 3.0, "axes": "forward-backward-up"}, "three right-handed axes"),
        ({"yaw_deg": "3", "axes": BODY}, "a number"),
        ({"yaw_deg": 3.0, "rotation_wxyz": [1, 0, 0, 0]}, "one of rotation_wxyz"),
        ({}, "one of rotation_wxyz"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "a right-handed rotation"),
        ({"rotation_xyzw": [0, 0, 0, 2]}, "a unit quaternion"),
        ({"yaw": 3.0}, "a known key"),
    ],
)
def test_what_is_no_pose_is_refused(pose: dict[str, Any], expected: str) -> None:
    """One error that says where, and what was expected."""
    with pytest.raises(InputError, match=r"car\.yaml: cameras\[0\]\.sensor2ego") as caught:
        parsed(pose | {"translation_m": [0, 0, 0]})
    assert expected in str(caught.value)


def test_a_lidar_has_no_axes_of_its_own() -> None:
    """Its pose is of the frame that its points are in."""
    with pytest.raises(InputError, match=r"lidar2ego\.axes: expected a known key"):
        parsed(LEVEL, {"yaw_deg": 3.0, "axes": BODY, "translation_m": [0, 0, 0]})
