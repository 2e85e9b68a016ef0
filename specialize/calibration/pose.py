"""Compute with rigid poses as 4x4 matrices, with bitwise equal results on every machine.

`b_from_a` maps points given in frame a to frame b, so products read by adjacent names:
`camera_from_ego @ ego_from_lidar`. Lengths are metres, quaternions are (w, x, y, z).

The results enter digests, so nothing here may depend on the machine: products are written as multiplications and
additions in a fixed order, never as `@`, whose BLAS may fuse them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from specialize.errors import InputError

Matrix = NDArray[np.float64]

# Camera axes (x right, y down, z forward) from body axes (x forward, y left, z up), which Waymo and
# the `camera_link` frames of ROS use for cameras.
OPTICAL_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


class Pinhole(NamedTuple):
    """Decomposed projection matrix: `intrinsic` (3, 3) in px and `camera_from_lidar` (4, 4) in m."""

    intrinsic: Matrix
    camera_from_lidar: Matrix


def product(left: Matrix, right: Matrix) -> Matrix:
    """Return `left @ right` of (M, K) and (K, N), summed over K in order, without fused operations."""
    total = left[:, :1] * right[:1]
    for k in range(1, left.shape[1]):
        total = total + left[:, k : k + 1] * right[k : k + 1]
    return total


def rotation_from_quaternion(wxyz: Sequence[float]) -> Matrix:
    """Return the (3, 3) rotation of a quaternion (w, x, y, z), which is normalised first."""
    norm = math.sqrt(sum(float(value) * float(value) for value in wxyz))
    w, x, y, z = (float(value) / norm for value in wxyz)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(rotation: Matrix) -> tuple[float, float, float, float]:
    """Return the unit quaternion (w, x, y, z), w >= 0, of a (3, 3) rotation.

    The largest of the four components is computed first and divides the others, so that no rotation loses digits.
    """
    r = [[float(value) for value in row] for row in rotation]
    squares = [
        1 + r[0][0] + r[1][1] + r[2][2],
        1 + r[0][0] - r[1][1] - r[2][2],
        1 - r[0][0] + r[1][1] - r[2][2],
        1 - r[0][0] - r[1][1] + r[2][2],
    ]
    products = [
        [squares[0], r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]],
        [r[2][1] - r[1][2], squares[1], r[1][0] + r[0][1], r[0][2] + r[2][0]],
        [r[0][2] - r[2][0], r[1][0] + r[0][1], squares[2], r[2][1] + r[1][2]],
        [r[1][0] - r[0][1], r[0][2] + r[2][0], r[2][1] + r[1][2], squares[3]],
    ]
    row = products[max(range(4), key=squares.__getitem__)]
    norm = math.sqrt(sum(value * value for value in row)) * (-1.0 if row[0] < 0 else 1.0)
    w, x, y, z = (value / norm for value in row)
    return w, x, y, z


def rotation_from_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Matrix:
    """Return the (3, 3) rotation of URDF's angles: about fixed x, then y, then z (Rz Ry Rx)."""
    cr, cp, cy = math.cos(roll_rad), math.cos(pitch_rad), math.cos(yaw_rad)
    sr, sp, sy = math.sin(roll_rad), math.sin(pitch_rad), math.sin(yaw_rad)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def rigid(rotation: Matrix, translation_m: Sequence[float] | Matrix) -> Matrix:
    """Return the (4, 4) pose of a (3, 3) rotation and a translation in metres."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation_m
    return pose


def inverse(b_from_a: Matrix) -> Matrix:
    """Return `a_from_b` of a rigid (4, 4) pose, by transposing its rotation."""
    rotation = b_from_a[:3, :3].T
    return rigid(rotation, -product(rotation, b_from_a[:3, 3:])[:, 0])


def centre_m(camera_from_lidar: Matrix) -> Matrix:
    """Return the camera centre (3,) in the lidar frame, in metres."""
    return inverse(camera_from_lidar)[:3, 3]


def intrinsic_4x4(intrinsic: Matrix) -> Matrix:
    """Return a (3, 3) intrinsic as (4, 4), so that it multiplies a pose."""
    wide = np.eye(4)
    wide[:3, :3] = intrinsic
    return wide


def split_projection(projection: Matrix) -> Pinhole:
    """Decompose a projection (3, 4) with an upper triangular left part, such as KITTI's P2 or ROS's P.

    Its last column shifts the camera: `projection = intrinsic @ [I | t]`, and the pose is that `t`.

    Raises:
        InputError: A focal length is 0, as in files of cameras that were never calibrated.
    """
    if not np.diagonal(projection[:, :3]).all():
        raise InputError(
            "projection", "focal lengths above 0", str([float(f) for f in np.diagonal(projection)])
        )
    intrinsic, (px, py, pz) = projection[:, :3], (float(value) for value in projection[:, 3])
    z = pz / float(intrinsic[2, 2])
    y = (py - float(intrinsic[1, 2]) * z) / float(intrinsic[1, 1])
    x = (px - float(intrinsic[0, 2]) * z - float(intrinsic[0, 1]) * y) / float(intrinsic[0, 0])
    return Pinhole(intrinsic.copy(), rigid(np.eye(3), [x, y, z]))


def rotation_defect(rotation: Matrix) -> float:
    """Return how far a (3, 3) matrix is from orthonormal: the largest entry of |R R' - I|."""
    return float(np.abs(product(rotation, rotation.T) - np.eye(3)).max())


def rotation_between_rad(first: Matrix, second: Matrix) -> float:
    """Return the angle in radians between two (3, 3) rotations."""
    chord = float(np.linalg.norm(second - first)) / (2 * math.sqrt(2))
    return 2 * math.asin(min(1.0, chord))


def decompose(image_from_lidar: Matrix) -> Pinhole:
    """Decompose a `lidar2img` matrix (4, 4) into intrinsic and pose (RQ decomposition).

    The focal lengths are positive and the intrinsic's last entry is 1, whatever the scale of the matrix. The matrix
    must be invertible, with a positive determinant of its upper left 3x3.
    """
    flipped_q, flipped_r = np.linalg.qr(image_from_lidar[:3, :3][::-1].T)
    upper = flipped_r.T[::-1, ::-1]  # (3, 3), upper triangular
    rotation = flipped_q.T[::-1]
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    upper, rotation = upper * signs, signs[:, None] * rotation
    translation_m = np.linalg.solve(upper, image_from_lidar[:3, 3])
    return Pinhole(upper / upper[2, 2], rigid(rotation, translation_m))
