"""Provide what importers share: JSON files, image sizes, the choice of cameras, and values with key paths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from specialize.calibration import checks
from specialize.calibration.document import read_text
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, rigid, rotation_from_quaternion
from specialize.errors import InputError, closest

# Tables of whole data sets are large; a calibration alone never is.
TABLE_LIMIT_BYTES = 4 << 30

# The order that BEVFormer and most six-camera models were trained with.
SIX_CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_FRONT_LEFT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_BACK_RIGHT",
)

T = TypeVar("T")


class Size(NamedTuple):
    """An image size in px."""

    width_px: int
    height_px: int


def read_json(path: Path, size_limit_bytes: int = TABLE_LIMIT_BYTES) -> Any:
    """Return the plain values of a JSON file.

    Raises:
        InputError: The file is missing, too large, or not JSON.
    """
    try:
        return json.loads(read_text(path, size_limit_bytes))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(str(path), "valid JSON", str(error)) from None


def parse_size(text: str, where: str) -> Size:
    """Return the size written as `1600x900`."""
    width, _, height = text.lower().partition("x")
    if not (width.strip().isdigit() and height.strip().isdigit()):
        raise InputError(where, "an image size such as 1600x900", repr(text))
    return Size(int(width), int(height))


def in_order(found: Mapping[str, T], wanted: str, usual: Sequence[str], where: str) -> dict[str, T]:
    """Return the chosen entries in order.

    Args:
        found: Entries of the source, by camera name.
        wanted: Names separated by commas, in order; empty for all.
        usual: Order of names if `wanted` is empty; further names follow in the source's order.
        where: Location named in errors.

    Raises:
        InputError: A wanted camera is missing, or there is none.
    """
    names: Iterable[str] = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        names = [name for name in usual if name in found]
        names += [name for name in found if name not in usual]
    for name in names:
        if name not in found:
            raise InputError(where, "a camera of this source", repr(name), closest(name, found))
    if not names:
        raise InputError(where, "at least one camera", "none")
    return {name: found[name] for name in names}


def require(value: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Raise unless a mapping has these keys; further keys are ignored."""
    if not isinstance(value, Mapping):
        raise InputError(where, "a mapping", type(value).__name__)
    for key in keys:
        if value.get(key) is None:
            raise InputError(where, f"the key {key!r}", "nothing", closest(key, map(str, value)))


def pose_from(rotation: Any, translation_m: Any, where: str) -> Matrix:
    """Return the (4, 4) pose of a rotation, as quaternion (w, x, y, z) or (3, 3), and a translation in m."""
    given = np.array(rotation, dtype=np.float64)
    offset = checks.finite(
        np.array(translation_m, dtype=np.float64).reshape(-1), (3,), f"{where} translation"
    )
    if given.shape == (4,):
        quaternion = checks.unit_quaternion(given, f"{where} rotation")
        return rigid(rotation_from_quaternion([float(value) for value in quaternion]), offset)
    if given.shape != (3, 3):
        raise InputError(f"{where} rotation", "a quaternion or a 3x3 matrix", f"shape {given.shape}")
    return checks.rigid_pose(rigid(given, offset), where)


def matrix_of(node: Node, rows: int, columns: int) -> Matrix:
    """Return a matrix of a document as (rows, columns) float64."""
    return np.array(node.matrix(rows, columns))


def folder(path: Path) -> Path:
    """Return the path if it is a folder.

    Raises:
        InputError: It is not.
    """
    if not path.is_dir():
        raise InputError(str(path), "a folder", "a file" if path.exists() else "no such folder")
    return path
