"""KITTI object and raw calibration text, with baselines and two image sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.formats import kitti_object, kitti_raw
from specialize.errors import InputError
from tests.calibration.formats.rigs import RealRig, check, real, write
from tests.strategies import rotation

RECTIFY = rotation(np.array([0.011, -0.007, 0.003]))


def line(name: str, values: np.ndarray) -> str:
    """Return one line of a KITTI file, all digits kept."""
    return f"{name}: " + " ".join(f"{float(value):.17e}" for value in np.ravel(values))


def parts(rig: RealRig) -> tuple[list[np.ndarray], np.ndarray]:
    """Return projections (3, 4) of CAM2 and CAM3, and the pose (4, 4) from lidar to rectified camera 0."""
    base = np.eye(4)
    base[:3, 3] = (0.0597, -0.0004, 0.0027)  # where CAM2 is relative to camera 0
    rectified = np.linalg.inv(base) @ rig.cameras[0].lidar2cam
    projections = [c.k @ (c.lidar2cam @ np.linalg.inv(rectified))[:3] for c in rig.cameras]
    return projections, rectified


def object_file(path: Path, rig: RealRig) -> Path:
    """Write a calibration of KITTI object detection."""
    projections, rectified = parts(rig)
    turn = np.eye(4)
    turn[:3, :3] = RECTIFY
    velo = np.linalg.inv(turn) @ rectified
    lines = [line("P2", projections[0]), line("P3", projections[1]), line("R0_rect", RECTIFY)]
    lines += [line("Tr_velo_to_cam", velo[:3]), line("Tr_imu_to_velo", np.eye(4)[:3]), ""]
    return write(path, "\n".join(lines))


def test_object_calibration_is_the_product_of_its_three_parts(tmp_path: Path) -> None:
    """P2's baseline and R0_rect are both part of the pose."""
    rig = real("kitti_000008")
    check(kitti_object.read(object_file(tmp_path / "000008.txt", rig)), rig, atol=1e-8)


def test_object_size_and_cameras_are_options(tmp_path: Path) -> None:
    """Sizes differ between recording days, and the file does not say them."""
    path = object_file(tmp_path / "000008.txt", real("kitti_000008"))
    (camera,) = kitti_object.read(path, cameras="CAM3", size="1224x370").cameras
    assert (camera.name, camera.width_px, camera.height_px) == ("CAM3", 1224, 370)
    with pytest.raises(InputError, match="expected an image size such as 1600x900, got '1224'"):
        kitti_object.read(path, size="1224")


def test_a_missing_line_and_a_short_line_are_named(tmp_path: Path) -> None:
    """The file and the line's name are in the message."""
    path = object_file(tmp_path / "a.txt", real("kitti_000008"))
    text = path.read_text()
    path.write_text(text.replace("R0_rect", "R1_rect"))
    with pytest.raises(
        InputError, match=r"expected the line 'R0_rect', got nothing\n\nhint: did you mean 'R1_rect'"
    ):
        kitti_object.read(path)
    path.write_text("R0_rect: 1 2 3\n" + text.replace("R0_rect", "R1_rect"))
    with pytest.raises(InputError, match="R0_rect: expected 9 numbers, got 3"):
        kitti_object.read(path)


def raw_folder(path: Path, rig: RealRig) -> Path:
    """Write the two files of a recording day: raw images are larger, distorted, and turned."""
    projections, rectified = parts(rig)
    turn = np.eye(4)
    turn[:3, :3] = RECTIFY
    velo = np.linalg.inv(turn) @ rectified
    lines = [
        "calib_time: 09-Jan-2012 13:57:47",
        line("corner_dist", np.array([0.0995])),
        line("R_rect_00", RECTIFY),
    ]
    for number, projection in ((2, projections[0]), (3, projections[1])):
        own = rotation(np.array([0.02, 0.01 * number, -0.01]))
        lines += [
            line(f"S_{number:02}", np.array([1392, 512])),
            line(f"K_{number:02}", np.array([[960.0, 0, 700], [0, 957, 226], [0, 0, 1]])),
            line(f"D_{number:02}", np.array([-0.37, 0.2, 0.001, 0.0002, -0.07])),
            line(f"R_{number:02}", own),
            line(f"T_{number:02}", np.array([0.06, 0.0, -0.01 * number])),
            line(f"S_rect_{number:02}", np.array([1242, 375])),
            line(f"R_rect_{number:02}", np.eye(3)),
            line(f"P_rect_{number:02}", projection),
        ]
    write(path / "calib_cam_to_cam.txt", "\n".join(lines))
    text = "\n".join(["calib_time: 15-Mar", line("R", velo[:3, :3]), line("T", velo[:3, 3]), ""])
    write(path / "calib_velo_to_cam.txt", text)
    return path


def test_raw_data_for_rectified_images(tmp_path: Path) -> None:
    """All cameras share R_rect_00, whatever their own R_rect says."""
    rig = real("kitti_000008")
    check(kitti_raw.read(raw_folder(tmp_path / "day", rig)), rig, atol=1e-8)


def test_raw_data_for_raw_images(tmp_path: Path) -> None:
    """Raw images have their own size, lens and pose, and are distorted."""
    path = raw_folder(tmp_path / "day", real("kitti_000008"))
    camera = kitti_raw.read(path, rectified=False).cameras[1]
    assert (camera.name, camera.width_px, camera.height_px) == ("CAM3", 1392, 512)
    assert camera.distortion is not None and camera.distortion.coefficients[0] == -0.37
    lens = camera.as_pinhole()
    assert lens.intrinsic[0].tolist() == [960.0, 0.0, 700.0]
    stored = (path / "calib_velo_to_cam.txt").read_text().splitlines()[1]
    turn = np.array([float(word) for word in stored.split()[1:]]).reshape(3, 3)
    own = rotation(np.array([0.02, 0.03, -0.01]))
    np.testing.assert_allclose(lens.camera_from_lidar[:3, :3], own @ turn, rtol=0, atol=1e-12)


def test_a_folder_is_expected_for_raw_data(tmp_path: Path) -> None:
    """A file in place of the folder is an error."""
    with pytest.raises(InputError, match="expected a folder, got a file"):
        kitti_raw.read(write(tmp_path / "a.txt", "x"))
