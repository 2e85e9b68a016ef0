"""Read poses and matrices from the text of a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ABSENT = ("", "~", "null", "Null", "NULL", None)
_OPTICAL = ("right", "down", "forward")
_ALONG = {
    **dict(zip(("forward", "left", "up"), np.eye(3), strict=True)),
    **dict(zip(("backward", "right", "down"), -np.eye(3), strict=True)),
}


def pose_of(node: Mapping[str, Any]) -> Floats:
    """Return (4, 4) from a rotation in any spelling and metres; of named axes, that of right, down, forward."""
    pose = np.eye(4)
    pose[:3, :3] = _rotation(node)
    if has(node, "axes"):  # a point in right, down, forward, then along the axes that are named, then rotated
        names = node["axes"].split("-")
        shares = [[float(_ALONG[name] @ _ALONG[way]) for way in _OPTICAL] for name in names]
        pose[:3, :3] = pose[:3, :3] @ np.array(shares)
    pose[:3, 3] = list(map(float, node["translation_m"]))
    return pose


def _rotation(node: Mapping[str, Any]) -> Floats:
    if has(node, "rotation"):
        return matrix_of(node["rotation"])
    if has(node, "rotation_wxyz"):
        w, *vector = map(float, node["rotation_wxyz"])
        return _of_quaternion(w, np.array(vector))
    if has(node, "rotation_xyzw"):
        *vector, w = map(float, node["rotation_xyzw"])
        return _of_quaternion(w, np.array(vector))
    rotation = np.eye(3)
    order = node["rotation_order"] if has(node, "rotation_order") else "yaw-pitch-roll"
    for name in order.split("-"):
        axis = np.eye(3)[("roll", "pitch", "yaw").index(name)]
        half = np.radians(float(node[f"{name}_deg"]) if has(node, f"{name}_deg") else 0.0) / 2
        rotation = rotation @ _of_quaternion(np.cos(half), np.sin(half) * axis)
    return rotation


def _of_quaternion(w: float, v: Floats) -> Floats:
    """Return (3, 3) of a quaternion of any length: R = (w² - v·v) I + 2 v vᵀ + 2 w [v]×."""
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation: Floats = (w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross
    return rotation / (w * w + v @ v)


def matrix_of(rows: Sequence[Sequence[Any]]) -> Floats:
    return np.array([[float(value) for value in row] for row in rows], np.float64)


def has(node: Mapping[str, Any], key: str) -> bool:
    value = node.get(key)
    return value is not None and not (isinstance(value, str) and value in ABSENT)
