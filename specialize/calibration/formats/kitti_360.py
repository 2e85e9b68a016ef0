"""KITTI-360: the folder `calibration`, two perspective cameras ahead and two fisheyes at the sides.

Frames: points of the Velodyne (x forward, y left, z up). `calib_cam_to_pose.txt` maps every camera to the GPS/IMU (x
forward, y right, z down), `calib_cam_to_velo.txt` camera 0 to the Velodyne: a camera's pose is a chain of three.

Pitfalls:
- Cameras 0 and 1 are those of the rectified images: `R_rect_xx` turns the camera, `P_rect_xx` and `S_rect_xx` belong to
  the image. The last column of `P_rect_01` is a baseline that the camera's own pose already has; it is left out.
- `image_02.yaml` and `image_03.yaml` start with `%YAML:1.0`, which is no valid YAML; some have no blank after colons.
- Their model is MEI with xi above 2: its formula gives points behind the camera a pixel. The lens ends at acos(-1/xi).
- The data set's own scripts leave p1 and p2 out of the projection; they count here, as for the calibration tool.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.document import parse_document, read_text
from specialize.calibration.formats.lens_words import lens_at
from specialize.calibration.formats.source import folder, in_order
from specialize.calibration.formats.text_tables import TextTable
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, inverse, product, rigid
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

_GROUPS = {
    "mirror_parameters": ("xi",),
    "distortion_parameters": ("k1", "k2", "p1", "p2"),
    "projection_parameters": ("gamma1", "gamma2", "u0", "v0"),
}


def read(path: Path, cameras: str = "", vehicle: str = "") -> CalibrationProfile:
    """Return the calibration of the data set's vehicle.

    Args:
        path: Folder with `calib_cam_to_pose.txt` and `calib_cam_to_velo.txt`.
        cameras: Which of image_00 to image_03, in order, separated by commas; all if empty.
        vehicle: Name of the vehicle; kitti-360 if empty.
    """
    table = TextTable(folder(path) / "calib_cam_to_pose.txt")
    found = {name: _pose(table, name) for name in sorted(table.values) if name.startswith("image_")}
    if "image_00" not in found:
        raise InputError(str(table.path), "the line 'image_00'", "nothing", "the Velodyne's pose needs it")
    imu_from_lidar = product(found["image_00"], inverse(_lidar_from_camera0(path / "calib_cam_to_velo.txt")))
    result = []
    for name, imu_from_camera in in_order(found, cameras, (), str(table.path)).items():
        camera_from_lidar = product(inverse(imu_from_camera), imu_from_lidar)
        make = _fisheye if (path / f"{name}.yaml").exists() else _perspective
        result.append(make(path, name, camera_from_lidar))
    return CalibrationProfile(vehicle or "kitti-360", tuple(result))


def _pose(table: TextTable, name: str) -> Matrix:
    """Return imu_from_camera (4, 4)."""
    return _rigid(table.matrix(3, 4, name), f"{table.path}: {name}")


def _rigid(rows: Matrix, where: str) -> Matrix:
    return checks.rigid_pose(np.vstack([rows, [0.0, 0.0, 0.0, 1.0]]), where)


def _lidar_from_camera0(path: Path) -> Matrix:
    """Return (4, 4) of a file that holds twelve numbers and no name."""
    words = read_text(path).split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 12:
        raise InputError(str(path), "12 numbers, a 3x4 matrix row by row", f"{len(words)} words")
    return _rigid(np.array(numbers).reshape(3, 4), str(path))


def _perspective(path: Path, name: str, camera_from_lidar: Matrix) -> Camera:
    """Return a camera of rectified images."""
    table, number = TextTable(path / "perspective.txt"), name.removeprefix("image_")
    intrinsic = table.matrix(3, 4, f"P_rect_{number}")[:, :3]
    rectify = rigid(table.matrix(3, 3, f"R_rect_{number}"), np.zeros(3))
    width, height = table.matrix(1, 2, f"S_rect_{number}")[0]
    return Camera.pinhole(name, (int(width), int(height)), intrinsic, product(rectify, camera_from_lidar))


def _fisheye(path: Path, name: str, camera_from_lidar: Matrix) -> Camera:
    """Return a camera of raw fisheye images."""
    file = path / f"{name}.yaml"
    text = re.sub(r"\A%YAML[: ][0-9.]+[^\n]*\n", "", read_text(file))
    root = Node(parse_document(re.sub(r"(?m)^(\s*\w+):(?=[^\s])", r"\1: ", text), str(file)), str(file))
    if root.has("model_type") and root.child("model_type").value != "MEI":
        raise root.child("model_type").error("MEI")
    parameters = {
        key: root.child(group).child(key).number() for group, keys in _GROUPS.items() for key in keys
    }
    size_px = (root.child("image_width").count(), root.child("image_height").count())
    return Camera.through(name, size_px, lens_at(str(file), "mei", parameters), camera_from_lidar)
