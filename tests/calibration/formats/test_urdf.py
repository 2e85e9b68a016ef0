"""URDF: frames of a description with lenses of camera_info files, and what must not be taken for a calibration."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from specialize.calibration.formats import urdf
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, RealRig, check, real, write, xyz
from tests.calibration.formats.test_ros import LINK_FROM_OPTICAL, calibration_file


def _rpy(pose: np.ndarray) -> str:
    """Return the angles about fixed x, y, z of a pose."""
    r = pose[:3, :3]
    angles = (math.atan2(r[2, 1], r[2, 2]), -math.asin(r[2, 0]), math.atan2(r[1, 0], r[0, 0]))
    return " ".join(f"{angle:.17g}" for angle in angles)


def _joint(parent: str, child: str, pose: np.ndarray, kind: str = "fixed") -> str:
    at = " ".join(f"{value:.17g}" for value in xyz(pose))
    return (
        f'<joint name="{child}_joint" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{at}" rpy="{_rpy(pose)}"/></joint>'
    )


def _text(rig: RealRig, kind: str = "fixed") -> str:
    """Return a description: body frames on the vehicle, optical frames on the bodies."""
    parts = ['<link name="base_link"/>', '<link name="lidar"/>', _joint("base_link", "lidar", rig.lidar2ego)]
    for camera in rig.cameras:
        link, optical = f"{camera.name}_link", f"{camera.name}_optical_frame"
        body = rig.cam2ego(camera) @ np.linalg.inv(LINK_FROM_OPTICAL)
        parts += [f'<link name="{link}"/>', f'<link name="{optical}"/>']
        parts += [_joint("base_link", link, body, kind), _joint(link, optical, LINK_FROM_OPTICAL)]
    return f'<?xml version="1.0"?><robot name="van">{"".join(parts)}</robot>'


def _folder(path: Path, text: str, rig: RealRig) -> Path:
    for camera in rig.cameras:
        write(path / "camera_info" / f"{camera.name}.yaml", yaml.safe_dump(calibration_file(camera)))
    return write(path / "robot.urdf", text)


def test_a_rig_is_what_the_description_says(tmp_path: Path) -> None:
    """Poses compose along fixed joints, with angles about fixed axes; names and order are the file's."""
    rig = real(OTHER)
    profile = urdf.read(_folder(tmp_path, _text(rig), rig), lidar="lidar")
    check(profile, rig)
    assert profile.vehicle == "van" and profile.ego_from_lidar is not None
    np.testing.assert_allclose(profile.ego_from_lidar, rig.lidar2ego, atol=1e-9)


def test_a_link_may_have_any_name(tmp_path: Path) -> None:
    """`frames` names the optical links, `cameras` the order."""
    rig = real(OTHER)
    text = _text(rig).replace("_optical_frame", "_lens")
    path = _folder(tmp_path, text, rig)
    with pytest.raises(InputError, match="NAME_optical_frame"):
        urdf.read(path, lidar="lidar")
    chosen = rig.names()[:2][::-1]
    frames = ",".join(f"{name}={name}_lens" for name in chosen)
    profile = urdf.read(path, lidar="lidar", frames=frames, cameras=",".join(chosen))
    assert profile.camera_names() == chosen


def test_a_body_link_is_noticed(tmp_path: Path) -> None:
    """The trap: with camera_link in the place of the optical link the camera looks straight up or down."""
    rig = real(OTHER)
    name = rig.names()[0]
    path = _folder(tmp_path, _text(rig), rig)
    profile = urdf.read(path, lidar="lidar", frames=f"{name}={name}_link", cameras=name)
    axis = profile.cameras[0].as_pinhole().camera_from_lidar[2, :3]
    assert abs(axis[2]) > 0.9


def test_a_joint_that_moves_is_an_error_where_it_is_used(tmp_path: Path) -> None:
    """A revolute joint below a camera names the joint; one elsewhere does not matter."""
    rig = real(OTHER)
    with pytest.raises(InputError, match="a fixed joint, got a revolute joint"):
        urdf.read(_folder(tmp_path / "1", _text(rig, "revolute"), rig), lidar="lidar")
    wheel = _text(rig).replace("</robot>", f"{_joint('base_link', 'wheel', np.eye(4), 'continuous')}</robot>")
    check(urdf.read(_folder(tmp_path / "2", wheel, rig), lidar="lidar"), rig)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "XML"),
        ("<robot", "XML"),
        ("<sdf/>", "a <robot>"),
        ('<robot xmlns:xacro="x"/>', "a URDF, got a xacro file"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><robot/>', "without a document type"),
        ('<robot><joint type="fixed"/></robot>', "a parent and a child link"),
        (
            '<robot><joint type="fixed"><parent link="a"/><child link="b"/><origin xyz="1 2"/></joint></robot>',
            "three numbers",
        ),
        (
            '<robot><joint type="fixed"><parent link="a"/><child link="b"/><origin rpy="0 x 0"/></joint></robot>',
            "three numbers",
        ),
        (
            '<robot><joint type="fixed"><parent link="a"/><child link="a"/></joint></robot>',
            "a tree of frames",
        ),
    ],
)
def test_what_is_no_description_is_an_error(text: str, expected: str, tmp_path: Path) -> None:
    """Empty and broken files, xacro, entities and impossible joints are named."""
    with pytest.raises(InputError, match=expected):
        urdf.read(write(tmp_path / "robot.urdf", text), lidar="lidar")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """The lidar's link, a camera's lens, and a camera that is not there."""
    rig = real(OTHER)
    path = _folder(tmp_path, _text(rig), rig)
    with pytest.raises(UsageError, match="the frame of the points"):
        urdf.read(path)
    with pytest.raises(InputError, match="a camera of the file"):
        urdf.read(path, lidar="lidar", cameras="CAM_FRONTT")
    with pytest.raises(UsageError, match="rectified=false"):
        urdf.read(path, lidar="lidar", lens=True)
    (tmp_path / "camera_info" / f"{rig.names()[1]}.yaml").unlink()
    with pytest.raises(InputError, match=f"a camera_info of '{rig.names()[1]}'"):
        urdf.read(path, lidar="lidar")
