"""Check the physics of a calibration: finite, orthonormal, right-handed, invertible.

Each function takes a value and its location `where`, and returns a read-only float64 copy or raises `InputError`.
Nothing is repaired: a matrix that passes is kept bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from specialize.calibration.pose import Matrix, rotation_defect
from specialize.errors import InputError
from specialize.text.terminal import is_plain

# Matrices written with four decimals are orthonormal to about 2e-4, those of real rigs to 1e-4 or better.
ROTATION_TOLERANCE = 5e-4
# A last row is written by hand or computed, so it differs from (0, 0, 0, 1) by rounding at most.
LAST_ROW_TOLERANCE = 1e-9
# A product of an intrinsic and a pose has a condition number of about 1e4.
CONDITION_LIMIT = 1e12


def printable(text: str, where: str) -> str:
    """Return a name if it has only printable characters and blanks."""
    if not is_plain(text):
        hint = "names appear on terminals and in file names: remove control characters and escapes"
        raise InputError(where, "printable characters", repr(text), hint)
    return text


def finite(value: ArrayLike, shape: tuple[int, ...], where: str) -> Matrix:
    """Return a read-only float64 copy of `value` if it has this shape and only finite numbers."""
    array = np.array(value, dtype=np.float64)
    if array.shape != shape:
        raise InputError(where, f"an array of shape {shape}", f"shape {array.shape}")
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        place = where + "".join(f"[{i}]" for i in index)
        raise InputError(place, "a finite number", str(array[index]), "every entry must be measured")
    array.setflags(write=False)
    return array


def rigid_pose(value: ArrayLike, where: str) -> Matrix:
    """Return a checked rigid transform (4, 4): rotation and metres, last row (0, 0, 0, 1)."""
    pose = finite(value, (4, 4), where)
    _check_last_row(pose, where, "the translation belongs in the last column; is the matrix transposed?")
    _check_rotation(pose[:3, :3], where)
    return pose


def rotation(value: ArrayLike, where: str) -> Matrix:
    """Return a checked rotation (3, 3): orthonormal within tolerance, right-handed."""
    matrix = finite(value, (3, 3), where)
    _check_rotation(matrix, where)
    return matrix


def pinhole_intrinsic(value: ArrayLike, where: str) -> Matrix:
    """Return a checked intrinsic (3, 3) in px: positive focal lengths, last row (0, 0, 1)."""
    intrinsic = finite(value, (3, 3), where)
    _check_last_row(intrinsic, where, "the principal point belongs in the last column; transposed?")
    for axis, name in enumerate(("fx", "fy")):
        if intrinsic[axis, axis] <= 0:
            raise InputError(
                f"{where}[{axis}][{axis}]",
                f"a positive focal length {name} in px",
                f"{intrinsic[axis, axis]:g}",
                "the image's y axis points down and the camera looks along +z: no focal length is negative",
            )
    if abs(intrinsic[1, 0]) > LAST_ROW_TOLERANCE * intrinsic[1, 1]:
        raise InputError(
            f"{where}[1][0]",
            "0 below the diagonal",
            f"{intrinsic[1, 0]:g}",
            "rows are [fx, s, cx], [0, fy, cy], [0, 0, 1]",
        )
    return intrinsic


def projection(value: ArrayLike, where: str) -> Matrix:
    """Return a checked `lidar2img` (4, 4): invertible, not mirrored, last row (0, 0, 0, 1)."""
    matrix = finite(value, (4, 4), where)
    _check_last_row(matrix, where, "write intrinsic (as 4x4) times lidar2cam; is the matrix transposed?")
    condition = float(np.linalg.cond(matrix))
    if not condition < CONDITION_LIMIT:
        raise InputError(
            where,
            "an invertible matrix",
            f"condition number {condition:.1e}",
            "check for a repeated or empty row",
        )
    if np.linalg.det(matrix[:3, :3]) < 0:
        raise InputError(
            where,
            "a matrix that does not mirror (determinant > 0)",
            f"determinant {np.linalg.det(matrix[:3, :3]):.3g}",
            "an axis has the wrong sign: camera axes are x right, y down, z forward",
        )
    return matrix


def unit_quaternion(value: ArrayLike, where: str) -> Matrix:
    """Return a checked quaternion (4,), (w, x, y, z), of length 1 within the rotation tolerance."""
    quaternion = finite(value, (4,), where)
    length = float(np.sqrt((quaternion * quaternion).sum()))
    if abs(length - 1) > ROTATION_TOLERANCE:
        raise InputError(
            where,
            f"a unit quaternion [w, x, y, z] within {ROTATION_TOLERANCE:g}",
            f"length {length:.6g}",
            "rotations are quaternions with w first, not angles",
        )
    return quaternion


def _check_last_row(matrix: Matrix, where: str, hint: str) -> None:
    """Raise unless the last row of (n, n) is (0, ..., 0, 1) up to rounding."""
    size = matrix.shape[0]
    last, expected = matrix[-1].tolist(), [*[0.0] * (size - 1), 1.0]
    if max(abs(value - wanted) for value, wanted in zip(last, expected, strict=True)) > LAST_ROW_TOLERANCE:
        found = "[" + ", ".join(f"{value:g}" for value in last) + "]"
        wanted = "[" + ", ".join(f"{value:g}" for value in expected) + "]"
        raise InputError(f"{where}[{size - 1}]", f"the last row {wanted}", found, hint)


def _check_rotation(rotation: Matrix, where: str) -> None:
    """Raise unless (3, 3) is orthonormal within tolerance and right-handed."""
    defect = rotation_defect(rotation)
    if defect > ROTATION_TOLERANCE:
        raise InputError(
            where,
            f"an orthonormal rotation within {ROTATION_TOLERANCE:g}",
            f"one off by {defect:.3g} (largest entry of |R R' - I|)",
            "the matrix is scaled, sheared or rounded; write all digits, or give a quaternion",
        )
    determinant = float(np.linalg.det(rotation))
    if determinant < 0:
        raise InputError(
            where,
            "a right-handed rotation (determinant +1)",
            f"determinant {determinant:+.3f}",
            "one axis is flipped: camera axes are x right, y down, z forward",
        )
