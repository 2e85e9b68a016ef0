"""Importers of the calibration formats in use, one file each.

Every module has one function `read(path, ...) -> CalibrationProfile` and a docstring that states the
format's frames and traps. Options are keyword arguments of type str, int or bool, so that a command line
can set them (`importer.read_format`).
"""

FORMATS = {
    "argoverse2": "specialize.calibration.formats.argoverse2",
    "autoware": "specialize.calibration.formats.autoware",
    "kalibr": "specialize.calibration.formats.kalibr",
    "kitti-object": "specialize.calibration.formats.kitti_object",
    "kitti-raw": "specialize.calibration.formats.kitti_raw",
    "lidar2img": "specialize.calibration.formats.lidar2img",
    "mmdet3d": "specialize.calibration.formats.mmdet3d",
    "nuscenes": "specialize.calibration.formats.nuscenes",
    "opencv": "specialize.calibration.formats.opencv",
    "ros": "specialize.calibration.formats.ros",
    "waymo": "specialize.calibration.formats.waymo",
}
