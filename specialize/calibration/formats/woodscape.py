"""WoodScape: one JSON file per image, with the four fisheyes FV, RV, MVL and MVR of a vehicle.

Frames: the pose maps the camera (x right, y down, z forward) to the vehicle by ISO 8855 (x forward, y left, z up, on
the ground below the rear axle); that is the frame of the points, too: the data set gives no lidar's pose.

Pitfalls:
- The quaternion is x, y, z, w.
- `cx_offset` and `cy_offset` are from the middle of the image: the centre is width / 2 + cx_offset - 0.5, with pixel
  centres at whole numbers.
- `aspect_ratio` stretches rows; k1 to k4 are pixels per power of the angle, not factors of a focal length.
- Files belong to images and cameras move between recordings: `image` names one where a folder has several.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.formats.lens_words import lens_at
from specialize.calibration.formats.source import in_order, read_json
from specialize.calibration.node import Node
from specialize.calibration.pose import inverse, rigid, rotation_from_quaternion
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

USUAL = ("FV", "MVL", "MVR", "RV")


def read(path: Path, image: str = "", cameras: str = "", vehicle: str = "") -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: A file, or a folder of such files.
        image: Start of the names of the files to read, such as 00012; all files if empty.
        cameras: Camera names in order, separated by commas; FV,MVL,MVR,RV if empty.
        vehicle: Name of the vehicle; the path's name if empty.
    """
    files = sorted(path.glob(f"{image}*.json")) if path.is_dir() else [path]
    found: dict[str, Node] = {}
    for file in files:
        root = Node(read_json(file), str(file))
        name = root.child("name").text()
        if name in found:
            hint = "set image=NAME, the beginning of the file names of one image"
            raise InputError(str(path), f"one file for {name}", f"{found[name].source} and {file}", hint)
        found[name] = root
    result = [_camera(name, root) for name, root in in_order(found, cameras, USUAL, str(path)).items()]
    return CalibrationProfile(vehicle or path.stem, tuple(result), np.eye(4))


def _camera(name: str, root: Node) -> Camera:
    lens, pose = root.child("intrinsic"), root.child("extrinsic")
    model = lens.child("model")
    if model.value != "radial_poly":
        raise model.error("radial_poly")
    if lens.has("poly_order") and lens.child("poly_order").count() != 4:
        raise lens.child("poly_order").error("4: k1 to k4")
    size_px = (lens.child("width").count(), lens.child("height").count())
    parameters = {key: lens.child(key).number() for key in ("k1", "k2", "k3", "k4")}
    parameters |= {
        f"c{axis}": size / 2 + lens.child(f"c{axis}_offset").number() - 0.5
        for axis, size in zip("xy", size_px, strict=True)
    }
    if lens.has("aspect_ratio"):
        parameters["aspect"] = lens.child("aspect_ratio").number()
    quaternion = pose.child("quaternion")
    x, y, z, w = quaternion.vector(4, "x, y, z, w")
    wxyz = checks.unit_quaternion([w, x, y, z], quaternion.where)
    rotation = rotation_from_quaternion([float(value) for value in wxyz])
    vehicle_from_camera = rigid(rotation, pose.child("translation").vector(3, "in m"))
    return Camera.through(
        name, size_px, lens_at(lens.where, "radial_poly", parameters), inverse(vehicle_from_camera)
    )
