"""NVIDIA NCore: cameras as its sensors store them, collected in one JSON file.

A mapping of camera names, at the top or under `cameras`, to `camera_model_type` and `camera_model_parameters`, as
`encode_camera_model_parameters` of `ncore.data` returns them, and to `T_sensor_rig` (4x4), the camera's static pose.

Frames: `T_sensor_rig` maps the camera (x right, y down, z forward) to the rig (x forward, y left, z up), in m; points
are in the rig, or in the sensor that `lidar` names, whose entry has a `T_sensor_rig` alone.

Pitfalls:
- The principal point of an f-theta camera counts pixel centres at whole numbers, those of OpenCV's models at halves.
- Which of the two f-theta polynomials defines the lens is `reference_poly`; the other is an approximation of it.
- A windshield (`external_distortion_parameters`) bends rays before the lens; its inverse polynomials are approximations
  and are left out.
- A rolling shutter is stated by `shutter_type`; this reader takes the camera as it is in the middle of the image.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.formats.lens_words import lens_at, windshield_at
from specialize.calibration.formats.source import in_order, matrix_of, read_json
from specialize.calibration.lens import Lens
from specialize.calibration.lens.windshield import Windshield
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, inverse, product
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import UsageError, closest

_REFERENCES = {"PIXELDIST_TO_ANGLE": 1.0, "ANGLE_TO_PIXELDIST": 0.0}
_RADIAL = {"opencv-pinhole": 6, "opencv-fisheye": 4}
_WINDSHIELD = "bivariate-windshield"


def read(path: Path, lidar: str = "", cameras: str = "", vehicle: str = "") -> CalibrationProfile:
    """Return the calibration in one file.

    Args:
        path: The file.
        lidar: Name of the entry whose `T_sensor_rig` is the frame of the points; the rig's frame if empty.
        cameras: Camera names in order, separated by commas; all in the file's order if empty.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    root = Node(read_json(path), str(path))
    root = root.child("cameras") if root.has("cameras") else root
    if not isinstance(root.value, dict):
        raise root.error("a mapping of camera names")
    entries = {str(name): root.child(name) for name in root.value}
    rig_from_points = np.eye(4)
    if lidar:
        if lidar not in entries:
            raise UsageError("ncore: option lidar", "an entry", repr(lidar), closest(lidar, entries))
        rig_from_points = _pose(entries[lidar])
    found = {name: node for name, node in entries.items() if node.has("camera_model_type")}
    result = []
    for name, node in in_order(found, cameras, (), str(path)).items():
        parameters = node.child("camera_model_parameters")
        width, height = (item.count() for item in parameters.child("resolution").items())
        lens = _lens(node.child("camera_model_type"), parameters)
        pose = product(inverse(_pose(node)), rig_from_points)
        result.append(Camera.through(name, (width, height), lens, pose))
    return CalibrationProfile(vehicle or path.stem, tuple(result), rig_from_points)


def _pose(node: Node) -> Matrix:
    """Return rig_from_sensor (4, 4)."""
    pose = node.child("T_sensor_rig")
    return checks.rigid_pose(matrix_of(pose, 4, 4), pose.where)


def _lens(kind: Node, node: Node) -> Lens:
    """Return the lens of a camera model's parameters."""
    more: dict[str, Any] = {"windshield": _windshield(node)}
    if node.has("max_angle"):
        more["max_angle_rad"] = min(node.child("max_angle").number(), math.pi)
    cx, cy = node.child("principal_point").vector(2, "in px")
    parameters = {"cx": cx, "cy": cy}
    if kind.value == "ftheta":
        return lens_at(node.where, "ftheta", parameters | _polynomials(node), **more)
    if kind.value not in ("ideal-pinhole", *_RADIAL):
        raise kind.error("ftheta, ideal-pinhole, opencv-pinhole or opencv-fisheye")
    parameters["fx"], parameters["fy"] = node.child("focal_length").vector(2, "in px")
    more["pixel_centre"] = 0.5
    if kind.value == "ideal-pinhole":
        return lens_at(node.where, "pinhole", parameters, **more)
    parameters |= _named(node, "radial_coeffs", "k", _RADIAL[str(kind.value)])
    if kind.value == "opencv-fisheye":
        return lens_at(node.where, "kannala_brandt", parameters, **more)
    parameters |= _named(node, "tangential_coeffs", "p", 2) | _named(node, "thin_prism_coeffs", "s", 4)
    return lens_at(node.where, "brown_conrady", parameters, **more)


def _named(node: Node, key: str, letter: str, count: int) -> dict[str, float]:
    """Return coefficients by name, the first being 1."""
    numbers = node.child(key).vector(count, "")
    return {f"{letter}{place}": value for place, value in enumerate(numbers, start=1)}


def _polynomials(node: Node) -> dict[str, float]:
    """Return the f-theta polynomial that defines the lens, and the affine map after it."""
    reference = node.child("reference_poly")
    if reference.value not in _REFERENCES:
        raise reference.error(" or ".join(_REFERENCES))
    backward = reference.value == "PIXELDIST_TO_ANGLE"
    polynomial = node.child("pixeldist_to_angle_poly" if backward else "angle_to_pixeldist_poly")
    numbers = [item.number() for item in polynomial.items()]
    found = {f"{'b' if backward else 'a'}{power}": value for power, value in enumerate(numbers)}
    found["reference"] = _REFERENCES[str(reference.value)]
    c, d, e = node.child("linear_cde").vector(3, "c, d, e") if node.has("linear_cde") else (1.0, 0.0, 0.0)
    if (c, d, e) != (0.0, 0.0, 0.0):  # some data sets store zeros where they mean no map
        found |= {"c": c, "d": d, "e": e}
    return found


def _windshield(node: Node) -> Windshield | None:
    """Return what bends rays before the lens."""
    if not node.has("external_distortion_parameters"):
        return None
    outer = node.child("external_distortion_parameters")
    kinds = [key for key in outer.value if str(key).endswith("type")]
    if any(outer.value[key] != _WINDSHIELD for key in kinds):
        raise outer.child(kinds[0]).error(_WINDSHIELD)
    horizontal, vertical = (
        [item.number() for item in outer.child(key).items()] for key in ("horizontal_poly", "vertical_poly")
    )
    return windshield_at(outer.where, horizontal, vertical)
