"""Compute what cameras see in plain float64, without code of the plans and passes that this checks.

A point p of the lidar frame projects to (u, v) = (a / d, b / d) with (a, b, d) the first three rows of a 4x4 matrix
times (p, 1); or through a lens. It is seen if d is above the minimum depth and 0 < u < width, 0 < v < height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.lens import Lens

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RADII_M = (5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0)
BEARINGS = 90


@dataclass(frozen=True, slots=True, eq=False)
class Through:
    """A camera with a lens.

    Attributes:
        lens: Lens of the image in question.
        camera_from_lidar: (4, 4), m.
        by_formula: Whether points that the formula maps into the image beyond the lens's limit count as seen.
    """

    lens: Lens
    camera_from_lidar: Floats
    by_formula: bool = False

    def pixels(self, points: Floats, least_depth_m: float) -> tuple[Floats, Floats, Bools]:
        """Return columns, rows and validity, (P,) each, of the pixels of points (P, 3) of the lidar frame."""
        inside = points @ self.camera_from_lidar[:3, :3].T + self.camera_from_lidar[:3, 3]
        pixels, valid = self.lens.project(inside)
        if self.by_formula:
            entered = self.lens.entering(*inside.T)
            with np.errstate(all="ignore"):
                pixels = np.stack(self.lens.formula(*entered), axis=-1) - self.lens.pixel_centre
                valid = self.lens.depth(*entered) > least_depth_m
        return pixels[:, 0], pixels[:, 1], valid

    def beyond(self, points: Floats) -> Bools:
        """Return (P,) which points are at or beyond the lens's limit."""
        inside = points @ self.camera_from_lidar[:3, :3].T + self.camera_from_lidar[:3, 3]
        return np.asarray(self.lens.angle_rad(*self.lens.entering(*inside.T)) >= self.lens.limit_rad)


View = Floats | Through
"""A camera: the (4, 4) matrix from lidar points to pixels, or a lens."""


def seen(
    view: View, size_px: Sequence[int], points: Floats, least_depth_m: float = 1e-5, slack_px: float = 0.0
) -> Bools:
    """Return (P,) which points (P, 3) a camera sees in an image of that size, widened on all sides by a slack."""
    if isinstance(view, Through):
        u, v, ahead = view.pixels(points, least_depth_m)
    else:
        image = points @ view[:3, :3].T + view[:3, 3]  # (P, 3)
        depth = image[:, 2]
        ahead = depth > least_depth_m
        depth = np.where(ahead, depth, 1.0)
        u, v = image[:, 0] / depth, image[:, 1] / depth
    low, wide, high = -slack_px, size_px[0] + slack_px, size_px[1] + slack_px
    with np.errstate(invalid="ignore"):
        return ahead & (u > low) & (u < wide) & (v > low) & (v < high)


def ring_points(height_m: float) -> Floats:
    """Return points (P, 3) around the origin, 5 to 40 m away, at a height of the lidar frame and 1 m above it."""
    angle = np.arange(BEARINGS) * (2 * np.pi / BEARINGS)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)  # (BEARINGS, 3)
    levels = [radius * ring + [0.0, 0.0, height_m + above] for radius in RADII_M for above in (0.0, 1.0)]
    return np.concatenate(levels)


def seen_queries(
    views: Sequence[View] | Floats, sizes_px: Sequence[Sequence[int]], points: Floats, least_depth_m: float
) -> Bools:
    """Return (N, Q) which queries each camera sees: those with at least one visible point (Q, D, 3).

    Args:
        views: The cameras, N of them.
        sizes_px: Width and height of each network image.
        points: (Q, D, 3) in the lidar frame, m.
        least_depth_m: Minimum depth, exclusive.
    """
    flat = points.reshape(-1, 3)
    rows = [
        seen(view, size, flat, least_depth_m).reshape(points.shape[:2]).any(axis=1)
        for view, size in zip(views, sizes_px, strict=True)
    ]
    return np.stack(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """Values of calibration inputs, by kind of matrix.

    Attributes:
        matrices: Kind -> (N, 4, 4).
        ego_from_lidar: (N, 4, 4) lidar to vehicle, m, or None if unknown.
    """

    matrices: Mapping[str, Floats]
    ego_from_lidar: Floats | None = None

    def network_from_lidar(self) -> Floats | None:
        """Return the matrices (N, 4, 4) from lidar points to network pixels that the inputs amount to.

        Returns None if they cannot be derived, because the image preparation is inside the model.
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
        # An augmentation acts on pixels after the division by depth, so its offset is multiplied by depth here.
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
    """Return the product of two stacks of matrices, or None if either is None."""
    return None if left is None or right is None else left @ right
