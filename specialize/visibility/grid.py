"""Define a model's grid of queries, and the rule by which a point counts as seen.

A bird's-eye-view query is a pillar of `anchors` points, seen if any of them is; a voxel is one point. Points are in the
lidar frame, in metres. The flat query index is `h * W + w` for pillars and `(z * H + h) * W + w` for voxels: x runs
along w, y along h. Another order of the axes is stated explicitly: an upright plane has queries over z and y, or over x
and z, and its anchors along the third axis.
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
FLAT, UPRIGHT = "yx", "zyx"
"""The order of axes of pillars and of voxels, slowest first, by default."""


@dataclass(frozen=True, slots=True)
class QueryGrid:
    """A regular grid of queries in the lidar frame.

    Attributes:
        shape: `(H, W)` pillars, or `(Z, H, W)` voxels.
        range_m: `(x0, y0, z0, x1, y1, z1)`, the box that the grid divides, metres.
        anchors: Points per pillar, D; 1 for voxels.
        order: The axes that `shape` counts, slowest first; empty for `yx` and `zyx`. Anchors of `zy` run along x.
    """

    shape: tuple[int, ...]
    range_m: tuple[float, float, float, float, float, float]
    anchors: int = 1
    order: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        object.__setattr__(self, "range_m", tuple(float(bound) for bound in self.range_m))
        _check_grid(self)

    @property
    def queries(self) -> int:
        """Number of queries, Q."""
        return math.prod(self.shape)

    @property
    def axes_order(self) -> str:
        """The axes that `shape` counts, slowest first, whether stated or not."""
        return self.order or (FLAT if len(self.shape) == 2 else UPRIGHT)

    @property
    def is_usual(self) -> bool:
        """Whether queries are numbered as those of pillars on the ground, or of voxels with x fastest."""
        return self.axes_order in (FLAT, UPRIGHT)

    @property
    def upright(self) -> str:
        """The axis along which anchors run; empty for voxels."""
        return "".join(axis for axis in "xyz" if axis not in self.axes_order)

    def count(self, axis: str) -> int:
        """Return how many different coordinates points have on an axis, `x`, `y` or `z`."""
        return self.shape[self.axes_order.index(axis)] if axis in self.axes_order else self.anchors

    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Return the different coordinates of x, y and z, metres, float64.

        Cells are addressed by their centres. Anchors follow BEVFormer: D values from half a metre inside one end of
        the box to half a metre inside the other, for pillars from floor to ceiling.
        """
        x, y, z = (self._line(axis, *self.range_m[index::3]) for index, axis in enumerate("xyz"))
        return x, y, z

    def _line(self, axis: str, first: float, last: float) -> Floats:
        count = self.count(axis)
        parts = last - first if axis == self.upright else float(count)
        return np.linspace(0.5, parts - 0.5, count) / parts * (last - first) + first

    def points(self) -> Floats:
        """Return the points (Q, D, 3) in the lidar frame, metres, float64."""
        x, y, z = self.axes()
        xyz = np.broadcast_arrays(x, y[:, None], z[:, None, None])  # (Z, Y, X) each
        return np.stack([self.by_query(axis) for axis in xyz], axis=-1)

    def by_query(self, lattice: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Return (..., Q, D), the values (..., Z, Y, X) of the lattice's points, by query."""
        lead = lattice.shape[:-3]
        places = [len(lead) + UPRIGHT.index(axis) for axis in self.axes_order + self.upright]
        ordered = lattice.transpose(*range(len(lead)), *places)
        return ordered.reshape(*lead, self.queries, self.anchors)


@dataclass(frozen=True, slots=True)
class VisibilityRule:
    """When a camera sees a point: `depth > min_depth`, `0 < u < width` and `0 < v < height`.

    The rule exists once, here; all other code uses it. With `border="closed"` the four image borders belong to the
    image; the depth stays strict.

    Attributes:
        min_depth: Minimum depth along the camera's axis, metres, exclusive.
        border: `open` if a point on the image's border is outside (BEVFormer, SurroundOcc).
        dtype: Precision in which the model's own graph computes its mask.
        domain: Where a lens sees: up to its `angle`, or wherever its `formula` has a positive depth. Straight cameras
            have no other domain than the depth.
    """

    min_depth: float = 1e-5
    border: Literal["open", "closed"] = "open"
    dtype: Literal["float32", "float64"] = "float32"
    domain: Literal["angle", "formula"] = "angle"

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
    if grid.order and (
        len(grid.order) != len(grid.shape) or len(set(grid.order) & set("xyz")) != len(grid.order)
    ):
        raise InputError(
            "grid.order",
            f"{len(grid.shape)} different letters of x, y and z, slowest first",
            repr(grid.order),
        )
    if grid.anchors < 1 or (len(grid.shape) == 3 and grid.anchors != 1):
        expected = "1 for voxels" if len(grid.shape) == 3 else "at least 1"
        raise InputError("grid.anchors", expected, str(grid.anchors))
    if grid.queries * grid.anchors > MAX_POINTS:
        raise InputError("grid", f"at most {MAX_POINTS} points", str(grid.queries * grid.anchors))
