"""What cameras see, by the mathematics alone: float64, nothing shared with the plans and passes that it checks.

A point p of the lidar frame projects to (u, v) = (a / d, b / d) with (a, b, d) the first three rows of a 4x4 matrix
times (p, 1). It is seen if d is above the least depth and 0 < u < width, 0 < v < height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RADII_M = (5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0)
BEARINGS = 90


def seen(matrix: Floats, size_px: Sequence[int], points: Floats, least_depth_m: float = 1e-5) -> Bools:
    """Return (P,) which points (P, 3) a camera with a (4, 4) matrix to pixels sees in an image of that size."""
    image = points @ matrix[:3, :3].T + matrix[:3, 3]  # (P, 3)
    depth = image[:, 2]
    ahead = depth > least_depth_m
    depth = np.where(ahead, depth, 1.0)
    u, v = image[:, 0] / depth, image[:, 1] / depth
    return ahead & (u > 0) & (u < size_px[0]) & (v > 0) & (v < size_px[1])


def ring_points(height_m: float) -> Floats:
    """Return points (P, 3) around the origin, 5 to 40 m away, at a height of the lidar frame and a metre above it."""
    angle = np.arange(BEARINGS) * (2 * np.pi / BEARINGS)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)  # (BEARINGS, 3)
    levels = [radius * ring + [0.0, 0.0, height_m + above] for radius in RADII_M for above in (0.0, 1.0)]
    return np.concatenate(levels)


def seen_queries(
    matrices: Floats, sizes_px: Sequence[Sequence[int]], points: Floats, least_depth_m: float
) -> Bools:
    """Return (N, Q) which queries each camera sees: those with a point (Q, D, 3) that it sees.

    Args:
        matrices: (N, 4, 4) lidar points to network pixels.
        sizes_px: Width and height of each network image.
        points: (Q, D, 3) in the lidar frame, m.
        least_depth_m: Least depth, not included.
    """
    flat = points.reshape(-1, 3)
    rows = [
        seen(matrix, size, flat, least_depth_m).reshape(points.shape[:2]).any(axis=1)
        for matrix, size in zip(matrices, sizes_px, strict=True)
    ]
    return np.stack(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """What calibration inputs are fed, by kind of matrix.

    Attributes:
        matrices: Kind -> (N, 4, 4).
        ego_from_lidar: (N, 4, 4) lidar to vehicle, m; None if it is not known.
    """

    matrices: Mapping[str, Floats]
    ego_from_lidar: Floats | None = None

    def network_from_lidar(self) -> Floats | None:
        """Return the matrices (N, 4, 4) from lidar points to network pixels that the inputs amount to.

        None where they do not say it, because the image preparation is inside the model.
        """
        whole = self._either("lidar2img", "img2lidar")
        if whole is None:
            whole = _after(self._either("ego2img", "img2ego"), self._ego())
        if whole is not None:
            return whole
        pose = self._either("lidar2cam", "cam2lidar")
        if pose is None:
            pose = _after(self._either("ego2cam", "cam2ego"), self._ego())
        whole = _after(self._either("network_intrinsic", "inverse_network_intrinsic"), pose)
        if whole is not None:
            return whole
        raw = self._either("lidar2raw", "raw2lidar")
        if raw is None:
            raw = _after(self._either("intrinsic", "inverse_intrinsic"), pose)
        return _after(self._preparation(), raw)

    def _ego(self) -> Floats | None:
        fed = self._either("lidar2ego", "ego2lidar")
        return self.ego_from_lidar if fed is None else fed

    def _preparation(self) -> Floats | None:
        """Return (N, 4, 4) from raw to network pixels, times depth."""
        wide = self._either("raw2network", "network2raw")
        moved = self._either("image_aug", "inverse_image_aug")
        if wide is not None or moved is None:
            return wide
        # An augmentation acts on pixels, after the division by the depth: its offset is multiplied by the depth here.
        moved = moved.copy()
        moved[:, :2, 2] += moved[:, :2, 3]
        moved[:, :2, 3] = 0.0
        return moved

    def _either(self, kind: str, inverse: str) -> Floats | None:
        if kind in self.matrices:
            return self.matrices[kind]
        if inverse in self.matrices:
            return np.asarray(np.linalg.inv(self.matrices[inverse]), np.float64)
        return None


def _after(left: Floats | None, right: Floats | None) -> Floats | None:
    """Return the product of two stacks of matrices, None if one is not known."""
    return None if left is None or right is None else left @ right
