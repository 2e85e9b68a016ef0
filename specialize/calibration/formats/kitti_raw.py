"""KITTI raw data: `calib_cam_to_cam.txt` and `calib_velo_to_cam.txt` of one recording day.

Frames: points of the Velodyne (x forward, y left, z up); `calib_velo_to_cam` maps them to camera 0 before
rectification; `R_rect_00` turns that into the rectified frame that all `P_rect_xx` share.

Pitfalls:
- Rectified and raw images have different sizes (`S_rect_xx`, `S_xx`) and different intrinsics
  (`P_rect_xx`, `K_xx`): `rectified` says which images the model sees.
- Use R_rect_00 for every camera, not R_rect_xx.
- Only the raw images are distorted (`D_xx`: k1, k2, p1, p2, k3).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.formats.source import folder, in_order
from specialize.calibration.formats.text_tables import TextTable
from specialize.calibration.pose import Matrix, product, rigid, split_projection
from specialize.calibration.profile import CalibrationProfile


def read(
    path: Path, rectified: bool = True, cameras: str = "CAM2,CAM3", vehicle: str = ""
) -> CalibrationProfile:
    """Return the calibration of one recording day.

    Args:
        path: Folder with the two text files.
        rectified: Whether the model sees rectified images.
        cameras: Which of CAM0 to CAM3, in order; 2 and 3 are the colour cameras.
        vehicle: Name of the vehicle; the folder's name if empty.
    """
    table = TextTable(folder(path) / "calib_cam_to_cam.txt")
    velo = TextTable(path / "calib_velo_to_cam.txt")
    camera0_from_lidar = rigid(velo.matrix(3, 3, "R"), velo.matrix(3, 1, "T")[:, 0])
    key = "P_rect_" if rectified else "K_"
    found = {f"CAM{int(name[len(key) :])}": name[len(key) :] for name in table.values if name.startswith(key)}
    make = _rectified if rectified else _raw
    chosen = in_order(found, cameras, (), str(table.path))
    result = tuple(make(table, name, number, camera0_from_lidar) for name, number in chosen.items())
    return CalibrationProfile(vehicle or path.name, result)


def _rectified(table: TextTable, name: str, number: str, camera0_from_lidar: Matrix) -> Camera:
    """Return a camera of rectified images."""
    intrinsic, offset = split_projection(table.matrix(3, 4, f"P_rect_{number}"))
    rectify = rigid(table.matrix(3, 3, "R_rect_00"), np.zeros(3))
    pose = product(offset, product(rectify, camera0_from_lidar))
    width, height = table.matrix(1, 2, f"S_rect_{number}")[0]
    return Camera.pinhole(name, (int(width), int(height)), intrinsic, pose)


def _raw(table: TextTable, name: str, number: str, camera0_from_lidar: Matrix) -> Camera:
    """Return a camera of the images before rectification."""
    camera_from_camera0 = rigid(table.matrix(3, 3, f"R_{number}"), table.matrix(3, 1, f"T_{number}")[:, 0])
    coefficients = tuple(float(value) for value in table.matrix(1, 5, f"D_{number}")[0])
    width, height = table.matrix(1, 2, f"S_{number}")[0]
    return Camera.pinhole(
        name,
        (int(width), int(height)),
        table.matrix(3, 3, f"K_{number}"),
        product(camera_from_camera0, camera0_from_lidar),
        distortion=Distortion("plumb_bob", coefficients),
    )
