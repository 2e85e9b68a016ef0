"""Where a model's queries stand, and when a point of theirs counts as seen.

A bird's-eye-view query is a pillar of `anchors` points, seen if any of them is; a voxel is one point.
Points are in the lidar frame, in metres. The flat query index is `h * W + w` for pillars and
`(z * H + h) * W + w` for voxels: x runs along w, y along h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

MAX_POINTS = 1 << 26


@dataclass(frozen=True, slots=True)
class QueryGrid:
    """A regular grid of queries in the lidar frame.

    Attributes:
        shape: `(H, W)` pillars, or `(Z, H, W)` voxels.
        range_m: `(x0, y0, z0, x1, y1, z1)`, the box that the grid divides, metres.
        anchors: Points per pillar, D; 1 for voxels.
    """

    shape: tuple[int, ...]
    range_m: tuple[float, float, float, float, float, float]
    anchors: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        object.__setattr__(self, "range_m", tuple(float(bound) for bound in self.range_m))
        _check_grid(self)

    @property
    def queries(self) -> int:
        """Number of queries, Q."""
        return math.prod(self.shape)

    @property
    def heights(self) -> int:
        """Number of different heights of points: D for pillars, Z for voxels."""
        return self.anchors if len(self.shape) == 2 else self.shape[0]

    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Return the coordinates x (W,), y (H,) and z (heights,), metres, float64.

        Cells are addressed by their centres. The heights of a pillar follow BEVFormer: D values from
        half a metre above the floor of the box to half a metre below its ceiling.
        """
        x0, y0, z0, x1, y1, z1 = self.range_m
        rows, columns = self.shape[-2:]
        x = np.linspace(0.5, columns - 0.5, columns) / columns * (x1 - x0) + x0
        y = np.linspace(0.5, rows - 0.5, rows) / rows * (y1 - y0) + y0
        parts = z1 - z0 if len(self.shape) == 2 else float(self.shape[0])
        z = np.linspace(0.5, parts - 0.5, self.heights) / parts * (z1 - z0) + z0
        return x, y, z

    def points(self) -> Floats:
        """Return the points (Q, D, 3) in the lidar frame, metres, float64."""
        x, y, z = self.axes()
        xyz = np.broadcast_arrays(x, y[:, None], z[:, None, None])  # (heights, H, W) each
        return np.stack([self.by_query(axis) for axis in xyz], axis=-1)

    def by_query(self, lattice: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Return (..., Q, D), the values (..., heights, H, W) that stand at the lattice's points."""
        lead = lattice.shape[:-3]
        if len(self.shape) == 2:
            lattice = np.moveaxis(lattice, -3, -1)  # (..., H, W, D)
        return lattice.reshape(*lead, self.queries, self.anchors)


@dataclass(frozen=True, slots=True)
class VisibilityRule:
    """When a camera sees a point: `depth > min_depth`, `0 < u < width` and `0 < v < height`.

    The rule exists once, here; everybody else asks it. With `border="closed"` the four image borders
    belong to the image; the depth stays strict.

    Attributes:
        min_depth: Least depth along the camera's axis, metres, not included.
        border: `open` if a point on the image's border is outside (BEVFormer, SurroundOcc).
        dtype: Precision in which the model's own graph computes its mask.
    """

    min_depth: float = 1e-5
    border: Literal["open", "closed"] = "open"
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.min_depth) and self.min_depth >= 0):
            raise InputError("rule.min_depth", "a finite number >= 0 (metres)", repr(self.min_depth))
        if self.border not in ("open", "closed"):
            raise InputError("rule.border", "'open' or 'closed'", repr(self.border))
        if self.dtype not in ("float32", "float64"):
            raise InputError("rule.dtype", "'float32' or 'float64'", repr(self.dtype))

    def functionals(self, image_from_lidar: Floats, size_px: npt.NDArray[np.generic]) -> Floats:
        """Return the five affine functions of a point that must be positive for it to be seen.

        Each border of the image is a plane in space: with `(p, q, d) = image_from_lidar @ (x, y, z, 1)`,
        `0 < u < width` is `p > 0` and `width * d - p > 0` wherever the depth is positive. No division.

        Args:
            image_from_lidar: (N, 4, 4), lidar frame to network pixels; the last row is not read.
            size_px: (N, 2), width and height in network pixels.

        Returns:
            (N, 5, 4) float64, the coefficients of (x, y, z, 1): left, right, top, bottom, depth.
        """
        across, down, depth = (image_from_lidar[:, row] for row in range(3))  # (N, 4) each
        width, height = (size_px[:, None, axis].astype(np.float64) for axis in range(2))
        nearest = depth - np.array([0.0, 0.0, 0.0, self.min_depth])
        return np.stack([across, width * depth - across, down, height * depth - down, nearest], axis=1)

    def holds(self, values: Floats) -> Bools:
        """Return (...,) whether a point is seen, from its five functional values (..., 5)."""
        borders = values[..., :4] >= 0 if self.border == "closed" else values[..., :4] > 0
        return np.logical_and(borders.all(axis=-1), values[..., 4] > 0)


def _check_grid(grid: QueryGrid) -> None:
    if len(grid.shape) not in (2, 3) or min(grid.shape) <= 0:
        raise InputError("grid.shape", "[H, W] or [Z, H, W], all above 0", str(list(grid.shape)))
    if len(grid.range_m) != 6 or not np.isfinite(grid.range_m).all():
        raise InputError(
            "grid.range_m", "six finite numbers [x0, y0, z0, x1, y1, z1]", str(list(grid.range_m))
        )
    if any(grid.range_m[axis] >= grid.range_m[axis + 3] for axis in range(3)):
        hint = "the order is [x0, y0, z0, x1, y1, z1], lower corner first"
        raise InputError("grid.range_m", "x0 < x1, y0 < y1, z0 < z1", str(list(grid.range_m)), hint)
    if grid.anchors < 1 or (len(grid.shape) == 3 and grid.anchors != 1):
        expected = "1 for voxels" if len(grid.shape) == 3 else "at least 1"
        raise InputError("grid.anchors", expected, str(grid.anchors))
    if grid.queries * grid.anchors > MAX_POINTS:
        raise InputError("grid", f"at most {MAX_POINTS} points", str(grid.queries * grid.anchors))
