"""Measure how far a projection has moved, in the arithmetic of `guard.hpp`, for row-major 4x4 matrices (..., 16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def dot(a: Floats, b: Floats) -> Floats:
    """Return the product of vectors (..., 3), summed in order."""
    return np.asarray((a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]) + a[..., 2] * b[..., 2])


def cross(a: Floats, b: Floats) -> Floats:
    """Return the cross product of vectors (..., 3)."""
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return np.stack([x, y, z], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Projections taken apart.

    Attributes:
        axes: (2, ..., 3) unit vectors along image rows and columns, across the depth.
        forward: (..., 3) unit vectors along the depth.
        centre: (..., 3) camera centres, metres.
        focal: (2, ...) focal lengths, pixels.
        middle: (2, ...) principal points, pixels.
        depth: (...) lengths of the depth rows.
    """

    axes: Floats
    forward: Floats
    centre: Floats
    focal: Floats
    middle: Floats
    depth: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """How far projections are from one another, elementwise.

    Attributes:
        turn: 8 sin^2(angle / 2) of the larger rotation of the two image axes.
        distance: Between the centres, metres.
        focal: Larger relative change of the two focal lengths.
        middle: (2, ...) change of the principal point per axis, pixels.
        depth: Relative change of the depth's scale.
    """

    turn: Floats
    distance: Floats
    focal: Floats
    middle: Floats
    depth: Floats

    def within(self, allowed: Floats, depth_ratio: float) -> Bools:
        """Return (B,) whether every camera (B, N) is within bounds (N, 4): turn, distance, focal, middle."""
        turn, distance, focal, middle = allowed.T
        fits = (self.turn <= turn) & (self.distance <= distance) & (self.focal <= focal)
        fits &= (self.middle <= middle).all(axis=0) & (self.depth <= depth_ratio)
        return np.asarray(fits.all(axis=-1))

    def numbers(self, each: Ints, camera: Ints) -> Floats:
        """Return (4, B) rotation in mrad, translation in mm, focal length in per cent, centre in px of some cameras."""
        turn = self.turn[each, camera]
        x, y = self.middle[:, each, camera]
        return np.stack(
            [
                2000.0 * np.arcsin(np.minimum(1.0, np.sqrt(turn / 8.0))),
                1000.0 * self.distance[each, camera],
                100.0 * self.focal[each, camera],
                np.sqrt(x * x + y * y),
            ]
        )


def shape_of(m: Floats) -> Shape:
    """Take projections (..., 16) apart."""
    p, q, d = m[..., 0:3], m[..., 4:7], m[..., 8:11]
    depth = np.sqrt(dot(d, d))
    forward = d / depth[..., None]
    axes, focal, middle = [], [], []
    for row in (p, q):
        offset = dot(row, forward) / depth
        unit = row / depth[..., None] - offset[..., None] * forward
        length = np.sqrt(dot(unit, unit))
        axes.append(unit / length[..., None])
        focal.append(length)
        middle.append(offset)
    yz, zx, xy = cross(q, d), cross(d, p), cross(p, q)
    volume = dot(p, yz)
    sums = (yz * m[..., 3, None] + zx * m[..., 7, None]) + xy * m[..., 11, None]
    return Shape(np.stack(axes), forward, -sums / volume[..., None], np.stack(focal), np.stack(middle), depth)


def moved(before: Shape, after: Shape) -> Moved:
    """Return how far projections moved from others that they broadcast with."""
    turns = [_turned(before.axes[axis], before.forward, after.axes[axis], after.forward) for axis in range(2)]
    return Moved(
        turn=np.maximum(*turns),
        distance=np.sqrt(_square(before.centre, after.centre)),
        focal=np.maximum(*np.abs(after.focal / before.focal[:, None] - 1.0)),
        middle=np.abs(after.middle - before.middle[:, None]),
        depth=np.abs(after.depth / before.depth - 1.0),
    )


def _square(a: Floats, b: Floats) -> Floats:
    difference = a - b
    return dot(difference, difference)


def _turned(a: Floats, z: Floats, b: Floats, w: Floats) -> Floats:
    """Return 8 sin^2(angle / 2) of the rotation that takes one pair of perpendicular unit vectors to another."""
    return np.asarray((_square(a, b) + _square(z, w)) + _square(cross(z, a), cross(w, b)))
