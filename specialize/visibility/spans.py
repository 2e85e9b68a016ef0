"""Find the lattice points inside a set of half-spaces, row by row, without visiting the points.

For a fixed height and row an affine function of the point is affine in x alone, so each half-space
cuts a row of cells at one place, and what is inside all of them is one span. Five divisions a row
replace five comparisons a point.

Rounding. A graph decides visibility in its own precision, with unit roundoff r (2**-24 for float32).
Let M be the largest magnitude on each axis (bounds and extent of the grid) and S, for one border,
`sum(|image row| * M) + size * sum(|depth row| * M)`: a bound on everything that is added up. Then

- coordinates (linspace, division by the cell count, times the extent, plus the origin): at most 8 r M off;
- rounding the matrix entries: r; a sum of four products in any order, fused or not: 4 r; together 13 r S;
- division by the depth and by the image size: 2 r S; products of these errors: below r S.

So a graph's verdict equals the exact one wherever the function is farther than 16 r S from zero. We allow
24 r S, which also covers normalising to [-1, 1] and scaling matrices inside the graph, plus 128 float64
roundoffs for our own arithmetic.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specialize.visibility.grid import Bools, Floats, Ints, QueryGrid, VisibilityRule

Number = float | Floats

ROUNDINGS = 24
OWN_ROUNDINGS = 128


def rounding_ratio(rule: VisibilityRule) -> float:
    """Return the share of S within which rounding may change the sign of a functional."""
    return ROUNDINGS * float(np.finfo(rule.dtype).eps) / 2 + OWN_ROUNDINGS * 2.0**-53


def largest_coordinates(grid: QueryGrid) -> Floats:
    """Return (4,): M of x, y and z, the largest magnitudes among bounds and extent of the grid in metres, and a one."""
    x0, y0, z0, x1, y1, z1 = grid.range_m
    return np.array([max(abs(a), abs(b), b - a) for a, b in ((x0, x1), (y0, y1), (z0, z1))] + [1.0])


def rounding_slack(
    image_from_lidar: Floats,
    size_px: npt.NDArray[np.integer | np.floating],
    grid: QueryGrid,
    rule: VisibilityRule,
) -> Floats:
    """Return (N, 5): how far from zero a functional of the rule may be and still change sign by rounding."""
    largest = largest_coordinates(grid)
    across, down, depth = (affine(np.abs(image_from_lidar[:, row]), *largest[:3]) for row in range(3))  # (N,)
    width, height = size_px[:, 0] * depth, size_px[:, 1] * depth
    sums = np.stack(
        [across + width, across + width, down + height, down + height, depth + rule.min_depth], axis=1
    )
    return np.asarray(sums * rounding_ratio(rule))


def row_spans(functionals: Floats, above: Floats, grid: QueryGrid) -> tuple[Ints, Ints]:
    """Return first and last-plus-one column where every functional exceeds its bound, per row.

    Args:
        functionals: (N, F, 4), coefficients of (x, y, z, 1), lidar frame, metres.
        above: (N, F), the bounds.
        grid: The points.

    Returns:
        start and stop, (N, heights, H) int64, within 0..W; a row with `start >= stop` is empty.
    """
    x, y, z = grid.axes()
    columns, per_metre = len(x), _per_metre(x, grid)
    shape = (len(functionals), len(z), len(y))  # (N, heights, H)
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    needed, bound = np.empty(shape), np.empty(shape)
    for index in range(functionals.shape[1]):
        slope, along_y, along_z, constant = functionals[:, index].T[..., None]  # (N, 1) each
        level = above[:, index, None] - constant - along_z * z  # (N, heights)
        np.subtract(level[..., None], (along_y * y)[:, None], out=needed)
        flat = np.flatnonzero(slope == 0)
        empty = needed[flat] >= 0
        rising = slope[..., None] >= 0
        with np.errstate(divide="ignore", invalid="ignore"):  # inf - inf: what does not bound this side
            np.divide(needed, slope[..., None], out=needed)
            needed[flat] = np.where(empty, np.inf, -np.inf)
            np.fmax(low, np.add(needed, np.where(rising, 0.0, -np.inf), out=bound), out=low)
            np.fmin(high, np.add(needed, np.where(rising, np.inf, 0.0), out=bound), out=high)
    # In columns. Rounding is monotone, so it may follow the maximum and the minimum.
    start = np.floor((low - x[0]) * per_metre) + 1
    stop = np.ceil((high - x[0]) * per_metre)
    return np.clip(start, 0, columns).astype(np.int64), np.clip(stop, 0, columns).astype(np.int64)


def affine(coefficients: Floats, x: Number, y: Number, z: Number) -> Floats:
    """Return (...,) the affine functions (..., 4) of points, lidar frame, m: summed in order, whatever the shape."""
    a, b, c, d = np.moveaxis(coefficients, -1, 0)
    return np.asarray(a * x + b * y + c * z + d)


def _per_metre(x: Floats, grid: QueryGrid) -> float:
    """Return how many columns lie on a metre; anchors along x do not divide the box as cells do."""
    if grid.upright == "x":
        return 1.0 if len(x) == 1 else float((len(x) - 1) / (x[-1] - x[0]))
    return len(x) / (grid.range_m[3] - grid.range_m[0])


def fill(start: Ints, stop: Ints, columns: int) -> Bools:
    """Return (..., columns) masks of spans (...,).

    One comparison in the smallest unsigned type: left of `start` the difference wraps around, beyond every length.
    """
    kind = np.min_scalar_type(columns)
    length = np.maximum(stop - start, 0).astype(kind)
    return np.asarray(np.arange(columns, dtype=kind) - start[..., None].astype(kind) < length[..., None])


def between(inner: tuple[Ints, Ints], outer: tuple[Ints, Ints], columns: int) -> Ints:
    """Return (B, 4): camera, height, row, column of the points in the outer spans but not in the inner."""
    rows = np.argwhere((inner[0] != outer[0]) | (inner[1] != outer[1]))  # (R, 3), few
    at = tuple(rows.T)
    only_outer = fill(outer[0][at], outer[1][at], columns) & ~fill(inner[0][at], inner[1][at], columns)
    row, column = np.nonzero(only_outer)
    return np.column_stack([rows[row], column])
