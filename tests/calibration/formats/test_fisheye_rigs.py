"""Formats of data sets with fisheyes: KITTI-360 and WoodScape. Every test writes its own files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.formats import kitti_360, woodscape
from specialize.calibration.formats.importer import read_format
from specialize.calibration.load import dump_profile, load_profile
from specialize.errors import InputError
from tests.calibration.formats.poses import optical, pose, seen
from tests.calibration.formats.rigs import write
from tests.strategies import rotation

# KITTI-360

IMU_FROM_CAMERA = {
    "image_00": optical(pose((3.1, 0.02, 0.01), (1.57, 0.04, -1.13))),
    "image_01": optical(pose((3.12, 0.01, 0.02), (1.58, 0.63, -1.13))),
    "image_02": optical(pose((3.1, 0.0, -1.5), (0.7, -0.54, -1.23))),
    "image_03": optical(pose((3.1, 0.0, 1.6), (0.69, 1.19, -1.22))),
}
LIDAR_FROM_CAMERA0 = optical(pose((0.01, 0.08, 0.02), (0.8, 0.3, -0.18)))
RECTIFY = rotation(np.array([0.02, -0.01, 0.015]))
MEI = """%YAML:1.0
---
model_type: MEI
camera_name: image_02
image_width: 1400
image_height: 1400
mirror_parameters:
   xi:2.2134047507854890e+00
distortion_parameters:
   k1: 1.6798235660113681e-02
   k2: 1.6548773243373522e+00
   p1: 4.2223943394772046e-04
   p2: 4.2462134260997584e-04
projection_parameters:
   gamma1: 1.3363220825849971e+03
   gamma2: 1.3357883350012958e+03
   u0: 7.1694323510126321e+02
   v0: 7.0576498308221585e+02
"""


def row(matrix: np.ndarray) -> str:
    """Return a matrix's numbers in a line."""
    return " ".join(f"{value!r}" for value in matrix.ravel().tolist())


def kitti_360_folder(folder: Path, mei: str = MEI) -> Path:
    """Write a calibration folder."""
    poses = [f"{name}: {row(matrix[:3])}" for name, matrix in IMU_FROM_CAMERA.items()]
    write(folder / "calib_cam_to_pose.txt", "\n".join(poses) + "\n")
    write(folder / "calib_cam_to_velo.txt", row(LIDAR_FROM_CAMERA0[:3]) + "\n")
    lines = ["calib_time: 09-Jan-2012"]
    for number, baseline in (("00", 0.0), ("01", -328.3)):
        p = np.array([[552.5, 0, 682.0, baseline], [0, 552.5, 238.7, 0], [0, 0, 1, 0]])
        lines += [
            f"P_rect_{number}: {row(p)}",
            f"R_rect_{number}: {row(RECTIFY)}",
            f"S_rect_{number}: 1408 376",
        ]
    write(folder / "perspective.txt", "\n".join(lines))
    for name in ("image_02", "image_03"):
        write(folder / f"{name}.yaml", mei)
    return folder


def test_kitti_360_chains_three_poses_and_rectifies(tmp_path: Path) -> None:
    """A point of the Velodyne goes through camera 0 and the IMU to each camera; P_rect's baseline is in the pose."""
    profile = kitti_360.read(kitti_360_folder(tmp_path))
    assert profile.camera_names() == tuple(IMU_FROM_CAMERA)
    for camera in profile.cameras:
        expected = (
            np.linalg.inv(IMU_FROM_CAMERA[camera.name])
            @ IMU_FROM_CAMERA["image_00"]
            @ np.linalg.inv(LIDAR_FROM_CAMERA0)
        )
        if camera.lens is None:
            expected[:3] = RECTIFY @ expected[:3]
        np.testing.assert_allclose(camera.camera_from_lidar, expected, atol=1e-9)
    assert [(camera.width_px, camera.height_px) for camera in profile.cameras] == [(1408, 376)] * 2 + [
        (1400, 1400)
    ] * 2
    np.testing.assert_allclose(profile.cameras[1].intrinsic, [[552.5, 0, 682], [0, 552.5, 238.7], [0, 0, 1]])


def test_kitti_360_fisheyes_end_where_the_mirror_does(tmp_path: Path) -> None:
    """The formula gives a point behind the camera a pixel; the lens ends at acos(-1 / xi), or a little before."""
    camera = kitti_360.read(kitti_360_folder(tmp_path)).cameras[2]
    lens = camera.lens
    assert lens is not None and camera.is_raw
    given = {
        "fx": 1336.3220825849971,
        "xi": 2.213404750785489,
        "k2": 1.6548773243373522,
        "p2": 4.2462134260997584e-4,
    }
    assert {name: lens.parameters[name] for name in given} == given
    assert not lens.project([0.0, 0.1, -1.0])[1]
    assert math.acos(-1 / 2.213404750785489) - 0.1 < lens.limit_rad <= math.acos(-1 / 2.213404750785489)


def test_kitti_360_files_that_lack_something_are_named(tmp_path: Path) -> None:
    """Another model, a matrix of eleven numbers and no camera 0 are errors that say where."""
    with pytest.raises(InputError, match=r"image_02\.yaml: model_type: expected MEI"):
        kitti_360.read(kitti_360_folder(tmp_path, MEI.replace(" MEI", " PINHOLE")))
    kitti_360_folder(tmp_path)
    write(tmp_path / "calib_cam_to_velo.txt", "1 0 0 0 0 1 0 0 0 0 1")
    with pytest.raises(InputError, match="expected 12 numbers, a 3x4 matrix row by row, got 11 words"):
        kitti_360.read(tmp_path)
    write(tmp_path / "calib_cam_to_pose.txt", f"image_02: {row(np.eye(4)[:3])}")
    with pytest.raises(InputError, match="the line 'image_00'"):
        kitti_360.read(tmp_path)


def test_profiles_of_fisheyes_are_written_and_read_again(tmp_path: Path) -> None:
    """Import, write, load: one digest, and the same pixels."""
    kitti_360_folder(tmp_path / "calibration")
    for name, source in (
        ("kitti-360", tmp_path / "calibration"),
        ("woodscape", write(tmp_path / "00012_FV.json", json.dumps(FRONT))),
    ):
        profile = read_format(name, source, {})
        again = load_profile(write(tmp_path / f"{name}.yaml", dump_profile(profile)))
        assert again.digest == profile.digest
        points = np.array([[5.0, 1.0, -0.5], [1.0, -4.0, 0.2], [0.5, 6.0, 1.0]])
        for camera, other in zip(profile.cameras, again.cameras, strict=True):
            np.testing.assert_array_equal(camera.project(points)[0], other.project(points)[0])


# WoodScape

FRONT: dict[str, Any] = {
    "extrinsic": {
        "quaternion": [0.5941767906169857, -0.5878843193897473, 0.3873184109007999, -0.3890121040340926],
        "translation": [3.7484, 0.0, 0.6601699999999999],
    },
    "intrinsic": {
        "aspect_ratio": 1.0, "cx_offset": 3.942, "cy_offset": -3.093, "height": 966.0, "k1": 339.749, "k2": -31.988,
        "k3": 48.275, "k4": -7.201, "model": "radial_poly", "poly_order": 4, "width": 1280.0,
    },
    "name": "FV",
}  # fmt: skip


def test_woodscape_front_camera_looks_ahead_and_down(tmp_path: Path) -> None:
    """The published front camera: quaternion x, y, z, w; the centre half a pixel left of the image's middle."""
    profile = woodscape.read(write(tmp_path / "00012_FV.json", json.dumps(FRONT)))
    camera = profile.cameras[0]
    assert (profile.camera_names(), camera.width_px, camera.height_px) == (("FV",), 1280, 966)
    vehicle_from_camera = np.linalg.inv(camera.camera_from_lidar)
    np.testing.assert_allclose(vehicle_from_camera[:3, 3], [3.7484, 0, 0.66017], atol=1e-9)
    ahead = vehicle_from_camera[:3, 2]
    assert ahead[0] > 0.9 and abs(ahead[1]) < 0.02 and -0.5 < ahead[2] < -0.3
    point = vehicle_from_camera @ [0, 0, 5, 1]
    np.testing.assert_allclose(
        seen(profile, "FV", point[:3]), [640 + 3.942 - 0.5, 483 - 3.093 - 0.5], atol=1e-6
    )
    x, y, z = 1.0, -0.5, 0.2  # in the camera, by the readme's formula
    chi = math.hypot(x, y)
    theta = math.atan2(chi, z)
    rho = 339.749 * theta - 31.988 * theta**2 + 48.275 * theta**3 - 7.201 * theta**4
    point = vehicle_from_camera @ [x, y, z, 1]
    expected = [rho * x / chi + 3.942 + 640 - 0.5, rho * y / chi - 3.093 + 483 - 0.5]
    np.testing.assert_allclose(seen(profile, "FV", point[:3]), expected, atol=1e-6)


def test_woodscape_files_of_one_image_are_chosen(tmp_path: Path) -> None:
    """Two files of one camera are an error until `image` names one; cameras come in the usual order."""
    for image in ("00001", "00002"):
        for name in ("RV", "MVR", "MVL", "FV"):
            write(tmp_path / f"{image}_{name}.json", json.dumps({**FRONT, "name": name}))
    with pytest.raises(InputError, match="set image=NAME"):
        woodscape.read(tmp_path)
    profile = woodscape.read(tmp_path, image="00002")
    assert profile.camera_names() == ("FV", "MVL", "MVR", "RV")
    other = {**FRONT, "intrinsic": {**FRONT["intrinsic"], "model": "pinhole"}}
    with pytest.raises(InputError, match=r"intrinsic\.model: expected radial_poly, got 'pinhole'"):
        woodscape.read(write(tmp_path / "other.json", json.dumps(other)))
