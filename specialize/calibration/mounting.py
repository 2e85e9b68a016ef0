"""Parse poses as data sheets give them: a quaternion, a matrix or angles, about named axes.

    sensor2ego:
      yaw_deg: 55.0                       right-handed angles about z, y and x
      pitch_deg: 2.0
      rotation_order: yaw-pitch-roll      each about the axes that the previous ones have turned: Rz Ry Rx
      axes: forward-left-up               x, y and z of the frame that the rotation belongs to
      translation_m: [1.6, 0.5, 1.5]

The result is the pose of the camera's optical frame (x right, y down, z forward), whatever the axes of the rotation.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from specialize.calibration import checks
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, product, rigid, rotation_from_quaternion

ANGLES = {"roll": 0, "pitch": 1, "yaw": 2}
"""Angle -> axis of its rotation."""

ORDERS = tuple("-".join(names) for names in itertools.permutations(("yaw", "pitch", "roll")))
OPTICAL, BODY = "right-down-forward", "forward-left-up"

_ANGLE_KEYS = tuple(f"{name}_deg" for name in ANGLES)
_SPELLINGS = ("rotation_wxyz", "rotation_xyzw", "rotation")
_DIRECTIONS = {
    "forward": (1.0, 0.0, 0.0), "left": (0.0, 1.0, 0.0), "up": (0.0, 0.0, 1.0),
    "backward": (-1.0, 0.0, 0.0), "right": (0.0, -1.0, 0.0), "down": (0.0, 0.0, -1.0),
}  # fmt: skip


def lidar_pose(node: Node) -> Matrix:
    """Return the checked (4, 4) pose of the lidar in the vehicle, metres.

    Raises:
        InputError: A key is missing or unknown, or there is no rotation or more than one.
    """
    node.mapping(("translation_m",), (*_SPELLINGS, *_ANGLE_KEYS, "rotation_order"))
    return rigid(_rotation(node), _translation_m(node))


def camera_pose(node: Node) -> Matrix:
    """Return the checked (4, 4) pose of a camera's optical frame in the vehicle, metres.

    Raises:
        InputError: As for `lidar_pose`; or angles are given without the axes that they refer to.
    """
    node.mapping(("translation_m",), (*_SPELLINGS, *_ANGLE_KEYS, "rotation_order", "axes"))
    rotation = _rotation(node)
    if node.has("axes"):
        own = _body_from(node.child("axes"))
        rotation = product(rotation, product(own.T, _columns(OPTICAL)))
    elif any(map(node.has, _ANGLE_KEYS)):
        hint = (
            f"add `axes: {BODY}` if a camera with all angles 0 looks ahead, `axes: {OPTICAL}` if it looks up"
        )
        raise node.error("the axes that the angles refer to", "nothing", hint)
    return rigid(rotation, _translation_m(node))


def rotation_from_degrees(angles_deg: dict[str, float], order: str) -> Matrix:
    """Return the (3, 3) rotation of right-handed angles.

    Args:
        angles_deg: Degrees by `roll` (about x), `pitch` (about y) and `yaw` (about z).
        order: One of `ORDERS`; each angle turns about the axes that those before it have turned.
    """
    rotation = np.eye(3)
    for name in order.split("-"):
        rotation = product(rotation, _turn(ANGLES[name], angles_deg[name]))
    return rotation


def _rotation(node: Node) -> Matrix:
    given = [key for key in _SPELLINGS if node.has(key)]
    angles = [key for key in _ANGLE_KEYS if node.has(key)]
    if len(given) + bool(angles) != 1:
        found = ", ".join((*given, *angles)) or "none of them"
        raise node.error(f"one of {', '.join(_SPELLINGS)}, or angles ({', '.join(_ANGLE_KEYS)})", found)
    if angles:
        return _of_angles(node)
    value = node.child(given[0])
    if given == ["rotation"]:
        return checks.rotation(value.matrix(3, 3), value.where)
    order = (0, 1, 2, 3) if given == ["rotation_wxyz"] else (3, 0, 1, 2)
    numbers = value.vector(4, f"({', '.join(given[0].removeprefix('rotation_'))})")
    quaternion = checks.unit_quaternion([numbers[index] for index in order], value.where)
    return rotation_from_quaternion([float(number) for number in quaternion])


def _of_angles(node: Node) -> Matrix:
    angles_deg = {
        name: node.child(f"{name}_deg").number() if node.has(f"{name}_deg") else 0.0 for name in ANGLES
    }
    turning = [name for name, angle in angles_deg.items() if angle]
    if not node.has("rotation_order"):
        if len(turning) > 1:
            hint = "yaw-pitch-roll is the order of URDF and most data sheets: about z, then y, then x"
            found = f"{len(turning)} angles without an order"
            raise node.error("the key 'rotation_order'", found, f"add `rotation_order:`; {hint}")
        return rotation_from_degrees(angles_deg, ORDERS[0])
    order = node.child("rotation_order")
    if order.value not in ORDERS:
        raise order.error(f"one of {', '.join(ORDERS)}")
    return rotation_from_degrees(angles_deg, order.value)


def _turn(axis: int, angle_deg: float) -> Matrix:
    """Return the rotation about one axis: exact at multiples of 90 degrees, equal to 15 digits on every machine."""
    quarter = angle_deg % 360 / 90
    if quarter.is_integer():
        c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    else:
        radians = math.radians(angle_deg)
        c, s = round(math.cos(radians), 15), round(math.sin(radians), 15)
    turned = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turned[first, first] = turned[second, second] = c
    turned[first, second], turned[second, first] = -s, s
    return turned


def _body_from(node: Node) -> Matrix:
    """Return the (3, 3) rotation from named axes to forward, left, up."""
    names = node.text().split("-")
    if len(names) != 3 or not {*names} <= {*_DIRECTIONS}:
        raise node.error(f"three of {', '.join(_DIRECTIONS)}, as {BODY}")
    made = _columns(node.text())
    if abs(float(np.linalg.det(made)) - 1) > 0.5:
        hint = "left-handed angles turn the other way: negate them, and name a right-handed frame"
        raise node.error("three right-handed axes", repr(node.value), hint)
    return made


def _columns(axes: str) -> Matrix:
    return np.array([_DIRECTIONS[name] for name in axes.split("-")]).T


def _translation_m(node: Node) -> list[float]:
    return node.child("translation_m").vector(3, "(x, y, z in metres)")
