"""KITTI object detection: one `calib/NNNNNN.txt` per frame.

Frames: points of the Velodyne (x forward, y left, z up); `Tr_velo_to_cam` maps them to camera 0,
`R0_rect` turns camera 0 into the rectified frame, `P0` to `P3` project from there to the four cameras.

Pitfalls:
- lidar2img = P2 R0_rect Tr_velo_to_cam, with R0_rect and Tr made 4x4. P2's last column is not zero: it is
  the baseline to camera 0, and becomes part of the pose here.
- The file does not state image sizes, and they differ from day to day (1242x375, 1224x370, ...).
- Images are rectified, hence undistorted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.formats.source import in_order, parse_size
from specialize.calibration.formats.text_tables import TextTable
from specialize.calibration.pose import product, rigid, split_projection
from specialize.calibration.profile import CalibrationProfile


def read(
    path: Path, cameras: str = "CAM2,CAM3", size: str = "1242x375", vehicle: str = ""
) -> CalibrationProfile:
    """Return the calibration of one frame.

    Args:
        path: The text file.
        cameras: Which of CAM0 to CAM3, in order; 2 and 3 are the colour cameras.
        size: Size of the images.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    table = TextTable(path)
    found = {f"CAM{name[1]}": name for name in table.values if name in ("P0", "P1", "P2", "P3")}
    velo = table.matrix(3, 4, "Tr_velo_to_cam", "Tr_velo_cam")
    rectify = rigid(table.matrix(3, 3, "R0_rect", "R_rect"), np.zeros(3))
    rectified_from_lidar = product(rectify, rigid(velo[:, :3], velo[:, 3]))
    result = []
    for name, key in in_order(found, cameras, (), str(path)).items():
        intrinsic, offset = split_projection(table.matrix(3, 4, key))
        pose = product(offset, rectified_from_lidar)
        result.append(Camera.pinhole(name, parse_size(size, "option size"), intrinsic, pose))
    return CalibrationProfile(vehicle or path.stem, tuple(result))
