"""Project points, and determine which camera-query pairs are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.witness.rig import Floats, Grid, Rig, Sidecar

Bools = npt.NDArray[np.bool_]

FLOAT32_ROUNDINGS = 24
"""Roundings of 2**-24 that a float32 graph may add up between a matrix and a border: up to 8 in a point's coordinates,
5 in the matrix and its products, 2 in the divisions by depth and size, and room for scaling inside the graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Where points fall, and which are seen.

    Attributes:
        places: (..., 2) u and v in network pixels; meaningless where the depth is not positive.
        depth_m: (...,) along the camera's axis.
        surely: (...,) seen whichever way a float32 graph rounds.
        possibly: (...,) seen for some rounding; `surely` is a part of it.
        outside_px: (...,) how far beyond the nearest violated border, in pixels; 0 or less inside, infinite behind.
        rounding_px: (...,) how far a float32 graph may be off in u or v; infinite behind.
    """

    places: Floats
    depth_m: Floats
    surely: Bools
    possibly: Bools
    outside_px: Floats
    rounding_px: Floats

    def queries(self) -> Bools:
        """Return (Q,) which queries are surely seen, of points (Q, D)."""
        return np.asarray(np.logical_or.reduce(self.surely, axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which queries cameras see: each is seen if any of its points is.

    Attributes:
        surely: (N, Q) seen whichever way a float32 graph rounds.
        possibly: (N, Q) seen for some rounding.
        outside_px: (N, Q) distance of the query's innermost point beyond the image; 0 or less inside, infinite behind.
    """

    surely: Bools
    possibly: Bools
    outside_px: Floats

    @property
    def seen(self) -> Bools:
        """Return (N, Q): what exact arithmetic sees, up to the least depth."""
        return self.surely | (self.possibly & (self.outside_px < 0))


def network_from_lidar(rig: Rig, sidecar: Sidecar) -> Floats:
    """Return (N, 4, 4), lidar points to network pixels times depth."""
    return np.stack(
        [
            prep.matrix() @ eye.image_from_lidar
            for prep, eye in zip(sidecar.preparations, rig.eyes, strict=True)
        ]
    )


def sight(
    matrix: Floats,
    points: Floats,
    size_px: Sequence[float],
    min_depth_m: float,
    reach_m: Floats | None = None,
) -> Sight:
    """Project points (..., 3) by one camera's (4, 4), or each by its own (..., 4, 4).

    Args:
        matrix: Lidar points to network pixels times depth.
        points: In the lidar frame, metres.
        size_px: Width and height of the network's image.
        min_depth_m: Least depth, not included.
        reach_m: (3,) the largest number that a graph adds up for each coordinate; that of `points` by default.
    """
    homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
    pqd = np.einsum("...ij,...j->...i", matrix[..., :3, :], homogeneous)
    reach = np.append(reach_of(points) if reach_m is None else reach_m, 1.0)
    bound = np.abs(matrix[..., :3, :]) @ reach  # (..., 3), of what is added up for p, q and d
    bound = bound * FLOAT32_ROUNDINGS * 2.0**-24
    depth = pqd[..., 2]
    width, height = map(float, size_px)
    borders = np.stack(
        [
            pqd[..., 0],
            width * depth - pqd[..., 0],
            pqd[..., 1],
            height * depth - pqd[..., 1],
            depth - min_depth_m,
        ],
        -1,
    )  # (..., 5), positive inside
    slack = np.stack(
        [bound[..., 0], width * bound[..., 2] + bound[..., 0], bound[..., 1], height * bound[..., 2] + bound[..., 1],
         bound[..., 2]], -1
    )  # fmt: skip
    front = np.where(depth > min_depth_m, depth, np.nan)
    places = pqd[..., :2] / front[..., None]
    u, v = places[..., 0], places[..., 1]
    outside = np.maximum.reduce([-u, u - width, -v, v - height])
    surely: Bools = np.logical_and.reduce(borders > slack, axis=-1)
    possibly: Bools = np.logical_and.reduce(borders > -slack, axis=-1)
    outside = np.where(np.isnan(outside), np.inf, outside)
    errors = (bound[..., :2] + np.abs(places) * bound[..., 2:]) / front[..., None]
    rounding = np.nan_to_num(errors.max(axis=-1), nan=np.inf)
    return Sight(places, depth, np.asarray(surely), np.asarray(possibly), outside, rounding)


def reach_of(points: Floats) -> Floats:
    """Return (3,), per axis the largest magnitude or extent of points (..., 3)."""
    flat = points.reshape(-1, 3)
    return np.asarray(np.maximum(np.abs(flat).max(axis=0), np.ptp(flat, axis=0)), np.float64)


def pairs(matrices: Floats, sidecar: Sidecar, grid: Grid) -> Pairs:
    """Return what every camera sees of a grid's queries; matrices (N, 4, 4) are to network pixels."""
    points = grid.points()
    every = [
        sight(matrix, points, prep.size_px, sidecar.min_depth_m)
        for matrix, prep in zip(matrices, sidecar.preparations, strict=True)
    ]
    return Pairs(
        np.stack([one.surely.any(-1) for one in every]),
        np.stack([one.possibly.any(-1) for one in every]),
        np.stack([one.outside_px.min(-1) for one in every]),
    )
