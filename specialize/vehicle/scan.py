"""Decide which camera-query pairs are seen, point by point, in the arithmetic of `guard.hpp`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from specialize.vehicle.contract import Contract, Grid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CHUNK_POINTS = 1 << 22
"""Camera-point pairs that are projected at once."""


def count_pairs(contract: Contract, projections: Floats) -> tuple[Ints, Ints]:
    """Count the pairs that a build has no place for, all grids together.

    Args:
        contract: What the build expects.
        projections: (B, N, 16), lidar frame in metres to raw pixels times depth.

    Returns:
        (B, N) pairs outside the envelope, beyond capacity, or (exact) seen otherwise than built for; and (B,) queries
        that more cameras see than can be summed.
    """
    pairs = np.zeros(projections.shape[:2], np.int64)
    crowded = np.zeros(len(projections), np.int64)
    for grid in contract.grids:
        points = math.prod(map(len, grid.axes)) * len(contract.cameras)
        step = max(1, CHUNK_POINTS // points)
        for start in range(0, len(projections), step):
            part = slice(start, start + step)
            seen = seen_pairs(contract, grid, projections[part])
            if contract.mode == "tables":
                crowded[part] += (seen.sum(axis=1) > contract.fan_in).sum(axis=-1)
                if grid.lengths is not None:
                    pairs[part] += np.maximum(seen.sum(axis=-1) - grid.lengths.astype(np.int64), 0)
            elif grid.pairs is not None:
                wrong = seen != grid.pairs if contract.mode == "exact" else seen & ~grid.pairs
                pairs[part] += wrong.sum(axis=-1)
    return pairs, crowded


def seen_pairs(contract: Contract, grid: Grid, projections: Floats) -> Bools:
    """Return (B, N, Q): which queries each camera sees, or (unless exact) may see by rounding."""
    rounding = 0.0 if contract.mode == "exact" else contract.rounding
    planes, above = planes_of(contract, grid, projections, rounding)
    x, y, z = grid.axes[0], grid.axes[1][:, None], grid.axes[2][:, None, None]
    seen = np.ones((*projections.shape[:2], z.size, y.size, x.size), np.bool_)
    for plane, bound in zip(planes, above, strict=True):
        a, b, c, d = (plane[..., k, None, None, None] for k in range(4))
        seen &= ((a * x + b * y) + c * z) + d > bound[..., None, None, None]
    ordered = seen.transpose(0, 1, *(2 + "zyx".index(axis) for axis in grid.every_axis))
    queries = np.asarray(ordered.any(axis=-1)) if len(grid.order) == 2 else ordered
    return queries.reshape(*projections.shape[:2], -1)


def planes_of(
    contract: Contract, grid: Grid, projections: Floats, rounding: float
) -> tuple[list[Floats], list[Floats]]:
    """Return the five functions of a point (B, N, 4) that are above their bounds (B, N) where it is seen.

    In the order depth, left, right, top, bottom.
    """
    depth = projections[..., 8:12].copy()
    planes, sums = [depth], [_sum(depth, grid.largest)]
    above = [-((sums[0] + contract.min_depth) * rounding)]
    scale = contract.cameras["scale"][:, None]
    for axis in range(2):
        crop = contract.cameras["crop_px"][:, axis, None]
        size = contract.cameras["network_px"][:, axis].astype(np.float64)
        low = scale * projections[..., 4 * axis : 4 * axis + 4] - crop * depth
        planes += [low, size[:, None] * depth - low]
        bound = -((_sum(low, grid.largest) + size * sums[0]) * rounding)
        above += [bound, bound]
    depth[..., 3] = depth[..., 3] - contract.min_depth
    return planes, above


def _sum(plane: Floats, largest: Floats) -> Floats:
    size = np.abs(plane)
    total = size[..., 0] * largest[0] + size[..., 1] * largest[1]
    return np.asarray((total + size[..., 2] * largest[2]) + size[..., 3])
