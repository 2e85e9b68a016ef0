"""Importers of common calibration formats, one file each.

Every module has one function `read(path, ...) -> CalibrationProfile` and a docstring that states the format's frames
and pitfalls. Options are keyword arguments of type str, int or bool, so that a command line can set them
(`importer.read_format`).
"""

FORMATS = {
    "argoverse2": "specialize.calibration.formats.argoverse2",
    "autoware": "specialize.calibration.formats.autoware",
    "driveworks": "specialize.calibration.formats.driveworks",
    "kalibr": "specialize.calibration.formats.kalibr",
    "kitti-360": "specialize.calibration.formats.kitti_360",
    "kitti-object": "specialize.calibration.formats.kitti_object",
    "kitti-raw": "specialize.calibration.formats.kitti_raw",
    "lidar2img": "specialize.calibration.formats.lidar2img",
    "mcap": "specialize.calibration.formats.mcap",
    "mmdet3d": "specialize.calibration.formats.mmdet3d",
    "ncore": "specialize.calibration.formats.ncore",
    "nuscenes": "specialize.calibration.formats.nuscenes",
    "opencv": "specialize.calibration.formats.opencv",
    "openlabel": "specialize.calibration.formats.openlabel",
    "ros": "specialize.calibration.formats.ros",
    "rosbag": "specialize.calibration.formats.rosbag",
    "urdf": "specialize.calibration.formats.urdf",
    "waymo": "specialize.calibration.formats.waymo",
    "woodscape": "specialize.calibration.formats.woodscape",
}
