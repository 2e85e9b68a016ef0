"""NVIDIA DriveWorks: `rig.json`, as recordings and PhysicalAI-AV's clips carry it, with f-theta cameras.

Frames: the rig is the vehicle (x forward, y left, z up, on the ground below the rear axle); points are in it, or in
the sensor that `lidar` names. Poses map a sensor to the rig. Those named `..._FLU` start from a camera's forward, left,
up, the others from its right, down, forward. Rotations are quaternions x, y, z, w, or `roll-pitch-yaw` in degrees about
fixed x, y, z.

Pitfalls:
- `nominalSensor2Rig` is where a sensor should be; `sensor2Rig`, or `correction_sensor_R_FLU` and `correction_rig_T` on
  top of the nominal one, is where calibration found it. `pose` chooses.
- A correction's rotation is applied in the sensor, its translation in the rig.
- Numbers may be texts. `bw-poly` is a polynomial of pixels to angles, `polynomial` what `polynomial-type` says.
- `linear-c`, `linear-d` and `linear-e` are an affine map after the polynomial; some files call them c, d and e.
- cx and cy count pixel centres at whole numbers.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from specialize.calibration import checks
from specialize.calibration.camera import Camera
from specialize.calibration.formats.lens_words import lens_at
from specialize.calibration.formats.source import in_order, read_json
from specialize.calibration.lens import Lens
from specialize.calibration.node import Node
from specialize.calibration.pose import (
    Matrix,
    inverse,
    product,
    rigid,
    rotation_from_quaternion,
    rotation_from_rpy,
)
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import UsageError, closest

FLU_FROM_CAMERA = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_TYPES = {"pixeldistance-to-angle": ("b", 1.0), "angle-to-pixeldistance": ("a", 0.0)}
_DEFAULTS = {"c": 1.0, "d": 0.0, "e": 0.0}


def read(
    path: Path, pose: str = "", lidar: str = "", cameras: str = "", vehicle: str = ""
) -> CalibrationProfile:
    """Return the calibration of one vehicle.

    Args:
        path: The rig file.
        pose: `actual` or `nominal`; the actual ones where the file has any if empty.
        lidar: Name of the sensor whose frame the points are in; the vehicle's frame if empty.
        cameras: Sensor names in order, separated by commas; every camera in the file's order if empty.
        vehicle: Name of the vehicle; the file's name if empty.
    """
    if pose not in ("", "actual", "nominal"):
        raise UsageError("driveworks: option pose", "actual or nominal", repr(pose))
    sensors = Node(read_json(path), str(path)).child("rig").child("sensors").items()
    named = {node.child("name").text(): node for node in sensors}
    rig_from_points = np.eye(4)
    if lidar:
        if lidar not in named:
            raise UsageError("driveworks: option lidar", "a sensor", repr(lidar), closest(lidar, named))
        rig_from_points = _pose(named[lidar], pose, optical=False)
    found = {name: node for name, node in named.items() if _is_camera(node)}
    result = [
        Camera.through(
            name,
            _size_px(node),
            _lens(node.child("properties")),
            product(inverse(_pose(node, pose, optical=True)), rig_from_points),
        )
        for name, node in in_order(found, cameras, (), str(path)).items()
    ]
    return CalibrationProfile(vehicle or path.stem, tuple(result), rig_from_points)


def _is_camera(node: Node) -> bool:
    return node.has("protocol") and str(node.child("protocol").value).startswith("camera")


def _pose(node: Node, wanted: str, optical: bool) -> Matrix:
    """Return rig_from_sensor (4, 4); an optical sensor looks along z, with y down."""
    corrected = node.has("correction_sensor_R_FLU") or node.has("correction_rig_T")
    actual = [key for key in ("sensor2Rig_FLU", "sensor2Rig") if node.has(key)]
    nominal = [key for key in ("nominalSensor2Rig_FLU", "nominalSensor2Rig") if node.has(key)]
    if wanted == "actual" and not actual and not corrected:
        raise node.error(
            "an actual pose (sensor2Rig, or corrections)", "only a nominal one", "use pose=nominal"
        )
    chosen = [*actual, *nominal] if wanted != "nominal" else nominal
    if not chosen:
        raise node.error("a pose (nominalSensor2Rig, sensor2Rig, ...)", "none")
    key = chosen[0]
    where = node.child(key)
    rotation, offset_m = _rotation(where), np.array(where.child("t").vector(3, "in m"))
    if key.endswith("_FLU"):
        if key in nominal and wanted != "nominal" and corrected:
            if node.has("correction_sensor_R_FLU"):
                rotation = product(rotation, _rotation(node.child("correction_sensor_R_FLU")))
            if node.has("correction_rig_T"):
                offset_m = offset_m + np.array(node.child("correction_rig_T").vector(3, "in m"))
        rotation = product(rotation, FLU_FROM_CAMERA) if optical else rotation
    elif key in nominal and wanted != "nominal" and corrected:
        raise node.error("corrections on top of nominalSensor2Rig_FLU", f"corrections beside {key}")
    return rigid(rotation, offset_m)


def _rotation(node: Node) -> Matrix:
    """Return (3, 3) of a quaternion x, y, z, w, or of angles in degrees."""
    if node.has("roll-pitch-yaw"):
        angles = node.child("roll-pitch-yaw").vector(3, "in degrees")
        return rotation_from_rpy(*(math.radians(angle) for angle in angles))
    quaternion = node.child("quaternion")
    x, y, z, w = quaternion.vector(4, "x, y, z, w")
    wxyz = checks.unit_quaternion([w, x, y, z], quaternion.where)
    return rotation_from_quaternion([float(value) for value in wxyz])


def _size_px(node: Node) -> tuple[int, int]:
    properties = node.child("properties")
    return int(_number(properties.child("width"))), int(_number(properties.child("height")))


def _lens(properties: Node) -> Lens:
    """Return the f-theta lens of a camera's properties."""
    model = properties.child("Model") if properties.has("Model") else properties.child("model")
    if model.value != "ftheta":
        raise model.error("ftheta", hint="use another format for cameras of other models")
    old = properties.has("bw-poly")
    node = properties.child("bw-poly" if old else "polynomial")
    kind = properties.child("polynomial-type") if not old else None
    if kind is not None and kind.value not in _TYPES:
        raise kind.error(" or ".join(_TYPES))
    letter, reference = _TYPES["pixeldistance-to-angle" if kind is None else str(kind.value)]
    coefficients = _numbers(node)
    if len(coefficients) > 6:
        raise node.error("at most 6 coefficients", str(len(coefficients)))
    parameters = {f"{letter}{power}": value for power, value in enumerate(coefficients)}
    parameters |= {key: _number(properties.child(key)) for key in ("cx", "cy")}
    for key, default in _DEFAULTS.items():
        names = [name for name in (f"linear-{key}", key) if properties.has(name)]
        parameters[key] = _number(properties.child(names[0])) if names else default
    return lens_at(properties.where, "ftheta", {**parameters, "reference": reference})


def _numbers(node: Node) -> list[float]:
    """Return the numbers of a text, or of a list."""
    if not isinstance(node.value, str):
        return [item.number() for item in node.items()]
    try:
        return [float(word) for word in node.value.split()]
    except ValueError:
        raise node.error("numbers separated by blanks") from None


def _number(node: Node) -> float:
    """Return a number, or a text that is one."""
    numbers = _numbers(node) if isinstance(node.value, str) else [node.number()]
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise node.error("a number")
    return numbers[0]
