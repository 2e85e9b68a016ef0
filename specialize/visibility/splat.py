"""SplatPlan: which cell each point of the cameras' frustums falls into, for models that lift and splat.

Every pixel of the feature map is lifted to D depths; each of these N * D * fH * fW points lies in one cell
of a grid over the lidar frame or in none. A cell index is truncated toward zero, as the field does with an
integer cast: points up to one cell below the lower bound land in cell 0.

Computed in float64. Points so near a cell's border that a float32 graph may place them elsewhere are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.digest import digest
from specialize.errors import InputError
from specialize.visibility.grid import Floats, Ints

SCHEMA = "specialize/splat@1"
MAX_POINTS = 1 << 28

# Float32 roundoffs of the sum of magnitudes within which a coordinate is in doubt: two inverses of small
# matrices, three products of matrices and points. An estimate from experience, not a bound: nothing is
# dropped because of it.
ROUNDINGS = 32


@dataclass(frozen=True, slots=True)
class Frustum:
    """The points to which a camera's feature map is lifted.

    Attributes:
        size_px: Width and height of the network's image; columns and rows stand evenly from its first pixel
            to its last.
        features: Rows and columns of the feature map, (fH, fW).
        depths_m: (start, stop, step) of the depths, stop not included.
    """

    size_px: tuple[int, int]
    features: tuple[int, int]
    depths_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        if min(*self.size_px, *self.features) <= 0:
            raise InputError("frustum", "sizes above 0", f"{self.size_px} px, {self.features} features")
        start, stop, step = self.depths_m
        if not (step > 0 and start < stop and np.isfinite(self.depths_m).all()):
            raise InputError("frustum.depths_m", "start < stop and step > 0", str(self.depths_m))

    def axes(self) -> tuple[Floats, Floats, Floats]:
        """Return columns u (fW,) and rows v (fH,) in network pixels, and depths (D,) in metres."""
        width, height = self.size_px
        start, stop, step = self.depths_m
        rows, columns = self.features
        count = int(np.ceil((stop - start) / step - 1e-9))
        depths = start + step * np.arange(count, dtype=np.float64)
        return np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows), depths


@dataclass(frozen=True, slots=True)
class CellGrid:
    """Cells of equal size over a box in the lidar frame.

    Attributes:
        lower_m: (x, y, z) of the box's lower corner.
        cell_m: Size of a cell along x, y, z.
        counts: Number of cells along x, y, z; the flat index is `(ix * ny + iy) * nz + iz`.
    """

    lower_m: tuple[float, float, float]
    cell_m: tuple[float, float, float]
    counts: tuple[int, int, int]

    def __post_init__(self) -> None:
        if not (np.isfinite([*self.lower_m, *self.cell_m]).all() and min(self.cell_m) > 0):
            raise InputError("cells", "finite numbers, sizes above 0", f"{self.lower_m}, {self.cell_m}")
        if min(self.counts) <= 0 or int(np.prod(self.counts)) >= 1 << 31:
            raise InputError(
                "cells.counts", "three numbers above 0, fewer than 2**31 cells", str(self.counts)
            )


@dataclass(frozen=True, slots=True, eq=False)
class SplatPlan:
    """The static map from frustum points to cells; compared by digest.

    Points are numbered in the order camera, depth, row, column. The five tables list the points that lie in
    a cell, sorted by cell and then by number, in the layout that pooling kernels share.

    Attributes:
        frustum: The points.
        cells: The cells.
        cameras: Number of cameras, N.
        ranks_depth: (P,) int32, number of each kept point.
        ranks_feat: (P,) int32, its pixel, numbered in the order camera, row, column.
        ranks_bev: (P,) int32, its cell, ascending.
        interval_starts: (I,) int32, position of the first point of each filled cell.
        interval_lengths: (I,) int32, points in it.
        borderline: (B,) int64, numbers of the points that a float32 graph may place elsewhere.
    """

    frustum: Frustum
    cells: CellGrid
    cameras: int
    ranks_depth: npt.NDArray[np.int32]
    ranks_feat: npt.NDArray[np.int32]
    ranks_bev: npt.NDArray[np.int32]
    interval_starts: npt.NDArray[np.int32]
    interval_lengths: npt.NDArray[np.int32]
    borderline: Ints

    def __post_init__(self) -> None:
        for name in (*TABLES, "borderline"):
            getattr(self, name).flags.writeable = False

    @property
    def points(self) -> int:
        """Number of all frustum points."""
        rows, columns = self.frustum.features
        return self.cameras * len(self.frustum.axes()[2]) * rows * columns

    @property
    def kept(self) -> int:
        """Number of points that lie in a cell."""
        return len(self.ranks_depth)

    @property
    def kept_per_camera(self) -> Ints:
        """Number of kept points of each camera, (N,) int64."""
        return np.bincount(self.ranks_depth // (self.points // self.cameras), minlength=self.cameras)

    @property
    def digest(self) -> str:
        """Digest of the map: points, cells and tables."""
        frustum, cells = self.frustum, self.cells
        return digest(
            {
                "schema": SCHEMA,
                "frustum": (frustum.size_px, frustum.features, frustum.depths_m),
                "cells": (cells.lower_m, cells.cell_m, cells.counts),
                "cameras": self.cameras,
                "ranks_depth": self.ranks_depth,
                "ranks_bev": self.ranks_bev,
            }
        )

    def tables(self) -> dict[str, npt.NDArray[np.int32]]:
        """Return the five tables by name."""
        return {name: getattr(self, name) for name in TABLES}


TABLES = ("ranks_depth", "ranks_feat", "ranks_bev", "interval_starts", "interval_lengths")


def plan_splat(lidar_from_image: Floats, frustum: Frustum, cells: CellGrid) -> SplatPlan:
    """Compute the cell of every frustum point.

    Args:
        lidar_from_image: (N, 4, 4) float64, `(u d, v d, d, 1)` in network pixels and metres to the lidar
            frame, with whatever augmentation the model applies to points already multiplied in.
        frustum: The points.
        cells: The cells.

    Raises:
        InputError: The matrices have the wrong shape or are not finite, or there are too many points.
    """
    matrices = np.array(lidar_from_image, dtype=np.float64)
    if (
        matrices.ndim != 3
        or matrices.shape[1:] != (4, 4)
        or not len(matrices)
        or not np.isfinite(matrices).all()
    ):
        raise InputError("lidar_from_image", "finite numbers (N, 4, 4), N >= 1", str(matrices.shape))
    per_camera = int(np.prod([len(axis) for axis in frustum.axes()]))
    if len(matrices) * per_camera > MAX_POINTS:
        raise InputError("frustum", f"at most {MAX_POINTS} points", str(len(matrices) * per_camera))
    placed = [_place(matrix, frustum, cells) for matrix in matrices]  # a camera at a time: memory
    cell = np.concatenate([one for one, _ in placed])
    doubtful = np.flatnonzero(np.concatenate([doubt for _, doubt in placed]))
    numbers = np.flatnonzero(cell >= 0)
    numbers = numbers[np.argsort(cell[numbers], kind="stable")]
    ranks_bev = cell[numbers]
    starts = np.flatnonzero(np.diff(ranks_bev, prepend=-1))
    rows, columns = frustum.features
    pixels = rows * columns
    camera = numbers // per_camera
    return SplatPlan(
        frustum,
        cells,
        len(matrices),
        ranks_depth=numbers.astype(np.int32),
        ranks_feat=(camera * pixels + numbers % pixels).astype(np.int32),
        ranks_bev=ranks_bev,
        interval_starts=starts.astype(np.int32),
        interval_lengths=np.diff(starts, append=len(numbers)).astype(np.int32),
        borderline=doubtful,
    )


def _place(
    matrix: Floats, frustum: Frustum, cells: CellGrid
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Return the flat cell of one camera's points, or -1, and which are in doubt: (D * fH * fW,) each."""
    u, v, depth = frustum.axes()
    flat = np.zeros((len(depth), len(v), len(u)), np.int32)
    kept, doubtful = np.ones(flat.shape, bool), np.zeros(flat.shape, bool)
    for axis, (lower, size, count) in enumerate(zip(cells.lower_m, cells.cell_m, cells.counts, strict=True)):
        a, b, c, offset = matrix[axis]
        ray = a * u + (b * v[:, None] + c)  # (fH, fW)
        place = (depth[:, None, None] * ray + (offset - lower)) / size  # (D, fH, fW), in cells
        magnitude = depth.max() * (abs(a) * u.max() + abs(b) * v.max() + abs(c)) + abs(offset) + abs(lower)
        slack = ROUNDINGS * 2.0**-24 * magnitude / size
        nearest = np.rint(place)  # truncation joins -1..0 with 0..1: at 0 there is no border
        doubtful |= (np.abs(place - nearest) <= slack) & (nearest != 0) & (nearest >= -1) & (nearest <= count)
        index = np.trunc(np.clip(place, -2, count)).astype(np.int32)
        kept &= (index >= 0) & (index < count)
        flat = flat * np.int32(count) + index
    return np.where(kept, flat, np.int32(-1)).reshape(-1), doubtful.reshape(-1)
