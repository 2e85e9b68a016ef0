"""ROS camera_info and static transforms, and Autoware's vehicle folders, which build on both."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from specialize.calibration.formats import autoware, ros
from specialize.calibration.formats.camera_info import read_camera_info
from specialize.errors import InputError, UsageError
from tests.calibration.formats.rigs import OTHER, RealCamera, RealRig, check, real, write, wxyz, xyz
from tests.strategies import rotation

# The optical frame in the body frame of a camera: x right is -y, y down is -z, z forward is x.
LINK_FROM_OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def stamped(parent: str, child: str, pose: np.ndarray) -> dict[str, Any]:
    """Return a TransformStamped as `topic echo` prints it; the quaternion has w last."""
    w, x, y, z = wxyz(pose)
    translation = dict(zip("xyz", xyz(pose), strict=True))
    return {
        "header": {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": parent},
        "child_frame_id": child,
        "transform": {"translation": translation, "rotation": {"x": x, "y": y, "z": z, "w": w}},
    }


def calibration_file(camera: RealCamera, **changes: Any) -> dict[str, Any]:
    """Return a camera_info as calibration tools save it: K and P alike, no distortion."""
    projection = np.hstack([camera.k, np.zeros((3, 1))])
    return {
        "image_width": camera.size[0],
        "image_height": camera.size[1],
        "camera_name": camera.name,
        "camera_matrix": {"rows": 3, "cols": 3, "data": camera.k.ravel().tolist()},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
        "projection_matrix": {"rows": 3, "cols": 4, "data": projection.ravel().tolist()},
    } | changes


def folder(path: Path, rig: RealRig, drop: str = "") -> Path:
    """Write a vehicle: body frames on the vehicle, optical frames on bodies, one camera_info each."""
    transforms = [stamped("base_link", "lidar_top", rig.lidar2ego)]
    for camera in rig.cameras:
        link = rig.cam2ego(camera) @ np.linalg.inv(LINK_FROM_OPTICAL)
        transforms.append(stamped("base_link", f"{camera.name}_link", link))
        transforms.append(stamped(f"{camera.name}_link", f"{camera.name}_optical_frame", LINK_FROM_OPTICAL))
        write(path / f"{camera.name}.yaml", yaml.safe_dump(calibration_file(camera)))
    kept = [entry for entry in transforms if entry["child_frame_id"] != drop]
    write(path / "tf_static.yaml", yaml.safe_dump({"transforms": kept}) + "---\n")
    return path


def test_the_chain_of_transforms_gives_the_pose(tmp_path: Path) -> None:
    """Lidar -> vehicle -> camera body -> optical frame is the recorded lidar2cam."""
    rig = real(OTHER)
    names = ",".join(rig.names())
    for rectified in (True, False):
        profile = ros.read(
            folder(tmp_path / "car7", rig), lidar="lidar_top", cameras=names, rectified=rectified
        )
        check(profile, rig)
        assert profile.vehicle == "car7"
        np.testing.assert_allclose(profile.ego_from_lidar, rig.lidar2ego, rtol=0, atol=1e-12)


def test_a_missing_link_names_both_ends(tmp_path: Path) -> None:
    """Without one transform the tree falls apart, and the error says between what."""
    path = folder(tmp_path, real(OTHER), drop="CAM_BACK_link")
    with pytest.raises(InputError) as caught:
        ros.read(path, lidar="lidar_top")
    assert "a chain from 'lidar_top' to 'CAM_BACK_optical_frame'" in str(caught.value)
    assert "add the transform that joins them: parent CAM_BACK_link, child base_link" in str(caught.value)


def test_the_frame_of_the_points_must_be_said(tmp_path: Path) -> None:
    """Unknown and missing lidar frames are errors that list or suggest frames."""
    path = folder(tmp_path, real(OTHER))
    with pytest.raises(UsageError, match=r"known frames: .*lidar_top"):
        ros.read(path)
    with pytest.raises(InputError, match="did you mean 'lidar_top'"):
        ros.read(path, lidar="lidar_tob")


def test_frames_have_one_parent_and_no_cycle(tmp_path: Path) -> None:
    """Two parents of a frame, and a frame below itself, are contradictions."""
    rig = real(OTHER)
    path = folder(tmp_path, rig)
    document = yaml.safe_load((path / "tf_static.yaml").read_text().removesuffix("---\n"))
    twice = document["transforms"] + [stamped("map", "lidar_top", np.eye(4))]
    write(path / "tf_static.yaml", yaml.safe_dump({"transforms": twice}))
    with pytest.raises(InputError, match="lidar_top: expected one parent frame, got 'base_link' and 'map'"):
        ros.read(path, lidar="lidar_top")
    cycle = document["transforms"] + [stamped("lidar_top", "base_link", np.eye(4))]
    write(path / "tf_static.yaml", yaml.safe_dump({"transforms": cycle}))
    with pytest.raises(
        InputError, match="base_link: expected a tree of frames, got a cycle through 'lidar_top'"
    ):
        ros.read(path, lidar="lidar_top")


def test_a_message_names_its_frame_itself(tmp_path: Path) -> None:
    """A printed message has header.frame_id and flat lists under k, d, r, p."""
    rig = real(OTHER)
    path = folder(tmp_path, rig)
    camera = rig.cameras[0]
    message = {
        "header": {"frame_id": "CAM_BACK_optical_frame"},
        "width": 1600,
        "height": 900,
        "distortion_model": "plumb_bob",
        "d": [0.1, 0.0, 0.0, 0.0, 0.0],
        "k": camera.k.ravel().tolist(),
        "r": np.eye(3).ravel().tolist(),
        "p": np.hstack([camera.k, np.zeros((3, 1))]).ravel().tolist(),
    }
    write(path / "AA_message.yaml", yaml.safe_dump(message) + "---\n")
    read = ros.read(path, lidar="lidar_top", rectified=False).cameras[0]
    assert read.name == "AA_message"
    assert read.distortion is not None and read.distortion.coefficients[0] == 0.1
    back = rig.cameras[rig.names().index("CAM_BACK")]
    np.testing.assert_allclose(read.as_pinhole().camera_from_lidar, back.lidar2cam, rtol=0, atol=1e-9)


def test_frames_can_be_stated(tmp_path: Path) -> None:
    """A camera whose frame is not named after it needs the option, and the error says so."""
    rig = real(OTHER)
    path = folder(tmp_path, rig)
    write(path / "AA.yaml", yaml.safe_dump(calibration_file(rig.cameras[0], camera_name="left_eye")))
    with pytest.raises(InputError, match="left_eye: expected an optical frame of this camera, got none"):
        ros.read(path, lidar="lidar_top")
    read = ros.read(path, lidar="lidar_top", cameras="left_eye", frames="left_eye=CAM_FRONT_optical_frame")
    np.testing.assert_allclose(
        read.cameras[0].as_pinhole().camera_from_lidar, rig.cameras[0].lidar2cam, rtol=0, atol=1e-9
    )


def test_rectified_and_raw_images_have_different_matrices(tmp_path: Path) -> None:
    """P with its baseline and R belong to the rectified image, K and D to the raw one."""
    camera = real(OTHER).cameras[0]
    turn = rotation(np.array([0.01, -0.02, 0.005]))
    new = camera.k * np.array([[0.9], [0.9], [1.0]])
    offset = np.array([-0.12, 0.0, 0.0])
    projection = np.hstack([new, (new @ offset)[:, None]])
    document = calibration_file(
        camera,
        projection_matrix={"rows": 3, "cols": 4, "data": projection.ravel().tolist()},
        rectification_matrix={"rows": 3, "cols": 3, "data": turn.ravel().tolist()},
        distortion_coefficients={"rows": 1, "cols": 5, "data": [-0.3, 0.1, 0.0, 0.0, 0.0]},
    )
    path = write(tmp_path / "c.yaml", yaml.safe_dump(document))
    raw, rectified = read_camera_info(path, rectified=False), read_camera_info(path, rectified=True)
    np.testing.assert_array_equal(raw.intrinsic, camera.k)
    assert raw.distortion is not None and rectified.distortion is None
    np.testing.assert_array_equal(raw.image_from_camera, np.eye(4))
    np.testing.assert_allclose(rectified.intrinsic, new)
    np.testing.assert_allclose(rectified.image_from_camera[:3, :3], turn, rtol=0, atol=1e-15)
    np.testing.assert_allclose(rectified.image_from_camera[:3, 3], offset, rtol=0, atol=1e-15)


def test_binning_and_a_region_of_interest_change_the_image(tmp_path: Path) -> None:
    """K is of the full resolution; the published image is the window, binned."""
    camera = real(OTHER).cameras[0]
    window = {"x_offset": 100, "y_offset": 40, "width": 1400, "height": 800}
    document = calibration_file(camera, binning_x=2, binning_y=2, roi=window)
    info = read_camera_info(write(tmp_path / "c.yaml", yaml.safe_dump(document)), rectified=False)
    assert info.size_px == (700, 400)
    np.testing.assert_allclose(info.intrinsic[0], [camera.k[0, 0] / 2, 0, (camera.k[0, 2] - 100) / 2])
    np.testing.assert_allclose(info.intrinsic[1], [0, camera.k[1, 1] / 2, (camera.k[1, 2] - 40) / 2])


LENSES = {
    "fisheye": ("fisheye", [0.1, 0.2, 0.3, 0.4], "equidistant"),
    "four of plumb_bob": ("plumb_bob", [0.1, 0.2, 0.3, 0.4], "radtan"),
    "rational": ("rational_polynomial", [0.1] * 8, "rational_polynomial"),
}


@pytest.mark.parametrize("lens", LENSES)
def test_lens_models_are_translated(tmp_path: Path, lens: str) -> None:
    """ROS names of lens models, and how many coefficients they have."""
    stated, values, expected = LENSES[lens]
    document = calibration_file(real(OTHER).cameras[0], distortion_model=stated)
    document["distortion_coefficients"]["data"] = values
    info = read_camera_info(write(tmp_path / "c.yaml", yaml.safe_dump(document)), rectified=False)
    assert info.distortion is not None
    assert (info.distortion.model, list(info.distortion.coefficients)) == (expected, values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"projection_matrix": {"data": [0] * 12}}, "expected a calibrated camera, got only zeros"),
        ({"projection_matrix": {"data": [1]}}, r"expected 12 numbers \(3x4, row by row\), got a list of 1"),
        ({"rectification_matrix": None}, "expected the key 'rectification_matrix', got nothing"),
        ({"image_width": "wide"}, "image_width: expected a number, got 'wide'"),
    ],
)
def test_uncalibrated_and_damaged_files_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Zeros, missing entries and wrong lengths say what was expected."""
    document = calibration_file(real(OTHER).cameras[0], **changes)
    with pytest.raises(InputError, match=message):
        read_camera_info(write(tmp_path / "c.yaml", yaml.safe_dump(document)), rectified=True)


def rpy(pose: np.ndarray) -> dict[str, float]:
    """Return x, y, z, roll, pitch, yaw of a pose, about fixed axes."""
    r = pose[:3, :3]
    angles = (math.atan2(r[2, 1], r[2, 2]), -math.asin(r[2, 0]), math.atan2(r[1, 0], r[0, 0]))
    return dict(zip(("x", "y", "z", "roll", "pitch", "yaw"), (*xyz(pose), *angles), strict=True))


def vehicle_folder(path: Path, rig: RealRig) -> Path:
    """Write Autoware's two files and camera_info; cameras are placed by their body frames."""
    kit = np.eye(4)
    kit[:3, :3] = rotation(np.array([0.01, 0.02, -0.015]))
    kit[:3, 3] = (0.9, 0.0, 2.0)
    from_kit = np.linalg.inv(kit)
    sensors = {"velodyne_top_base_link": rpy(from_kit @ rig.lidar2ego)}
    for index, camera in enumerate(rig.cameras):
        link = rig.cam2ego(camera) @ np.linalg.inv(LINK_FROM_OPTICAL)
        sensors[f"camera{index}/camera_link"] = rpy(from_kit @ link)
        info = yaml.safe_dump(calibration_file(camera, camera_name="unrelated"))
        where = f"camera{index}.yaml" if index % 2 else f"camera{index}/camera_info.yaml"
        write(path / "camera_info" / where, info)
    write(
        path / "sensors_calibration.yaml", yaml.safe_dump({"base_link": {"sensor_kit_base_link": rpy(kit)}})
    )
    write(path / "sensor_kit_calibration.yaml", yaml.safe_dump({"sensor_kit_base_link": sensors}))
    return path


def test_autoware_cameras_are_turned_to_their_optical_frames(tmp_path: Path) -> None:
    """Through the kit and the camera bodies, the poses are the recorded ones."""
    rig = real(OTHER)
    profile = autoware.read(vehicle_folder(tmp_path / "car1", rig), points="velodyne_top_base_link")
    assert profile.camera_names() == tuple(f"camera{i}" for i in range(6))
    for camera, truth in zip(profile.cameras, rig.cameras, strict=True):
        np.testing.assert_allclose(camera.as_pinhole().camera_from_lidar, truth.lidar2cam, rtol=0, atol=1e-9)
        np.testing.assert_allclose(camera.as_pinhole().intrinsic, truth.k, rtol=1e-12)
    np.testing.assert_allclose(profile.ego_from_lidar, rig.lidar2ego, rtol=0, atol=1e-9)


def test_autoware_points_are_in_base_link_by_default(tmp_path: Path) -> None:
    """Merged point clouds are in the vehicle frame."""
    rig = real(OTHER)
    camera = autoware.read(vehicle_folder(tmp_path, rig), cameras="camera3").cameras[0]
    truth = rig.cameras[3].lidar2cam @ np.linalg.inv(rig.lidar2ego)
    np.testing.assert_allclose(camera.as_pinhole().camera_from_lidar, truth, rtol=0, atol=1e-9)


def test_autoware_without_camera_info_says_where_to_put_it(tmp_path: Path) -> None:
    """The intrinsics are not in Autoware's two files."""
    path = vehicle_folder(tmp_path, real(OTHER))
    with pytest.raises(InputError, match="expected a camera_info of 'camera0', got none"):
        autoware.read(path, camera_info="elsewhere")
    write(path / "sensors_calibration.yaml", "base_link: {sensor_kit_base_link: {x: 0}}")
    with pytest.raises(InputError, match=r"base_link.sensor_kit_base_link: expected the key 'y'"):
        autoware.read(path)
