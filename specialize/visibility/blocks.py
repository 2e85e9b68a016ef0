"""Find the points of a lattice that a camera sees: by blocks where a few corners decide, point by point otherwise.

The deciding values are computed at the corners of blocks only and interpolated between them; a point, or a whole block,
is settled if the interpolated value is farther from all borders than interpolation may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.visibility.grid import Bools, Floats, Ints

SIZE = 8
"""Rows and columns of a block; numpy has words of so many booleans."""
_TRUE, _FALSE = np.uint64(0x0101010101010101), np.uint64(0)


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """Something that is less than `inside` in absolute value where a camera sees, and no more than `outside`.

    Attributes:
        corners: (Z, R + 1, C + 1) values at the corners of R by C blocks.
        inside: Points are inside if the value is less than this by more than the error.
        outside: Points are outside if the value is greater than this by more than the error.
        error: (Z, R, C) how far the value may be from what is interpolated in a block, and what more is wanted;
            infinite where nothing is known.
    """

    corners: Floats
    inside: float
    outside: float
    error: Floats

    def blocks(self) -> tuple[Bools, Bools]:
        """Return which blocks (Z, R, C) are inside whole, and which are outside whole."""
        low, high = ends(self.corners)
        return (
            np.maximum(high, -low) < self.inside - self.error,
            np.maximum(low, -high) > self.outside + self.error,
        )

    def points(self, at: tuple[Ints, ...]) -> tuple[Bools, Bools]:
        """Return which points (B, SIZE * SIZE) of blocks are inside, and which are outside."""
        layer, row, column = at
        four = [self.corners[layer, row + down, column + right] for down in (0, 1) for right in (0, 1)]
        value = np.abs(np.stack(four, axis=-1) @ _WEIGHTS)  # (B, 4) @ (4, S * S)
        error = self.error[at][:, None]
        return value < self.inside - error, value > self.outside + error


Axes = tuple[Floats, Floats, Floats]
At = Callable[[Floats, Floats, Floats, float], Sequence[Quantity]]
"""Takes coordinates x (C + 1,), y (R + 1, 1) and z (Z, 1, 1) of corners, and a block's half diagonal, m."""


def settle_blocks(axes: Axes, at: At) -> tuple[Bools, tuple[Ints, ...]]:
    """Return what the corners of blocks settle.

    Args:
        axes: Coordinates x, y and z of the lattice, evenly spaced, lidar frame, m.
        at: What decides, at corners.

    Returns:
        (Z, Y, X) points that are surely inside, and positions on z, y and x (P,) each that are left open.
    """
    x, y, z = axes
    radius = SIZE / 2 * float(np.hypot(_step(x), _step(y)))
    quantities = at(_corners(x), _corners(y)[:, None], z[:, None, None], radius)
    verdicts = [each.blocks() for each in quantities]
    whole = np.logical_and.reduce([each for each, _ in verdicts])
    blocks = _places(~np.logical_or.reduce([whole, *(each for _, each in verdicts)]))
    verdicts = [each.points(blocks) for each in quantities]
    holds = np.logical_and.reduce([each for each, _ in verdicts])  # (B, S * S)
    inside = _spread(whole)
    layers, rows, columns = whole.shape
    by_block = inside.reshape(layers, rows, SIZE, columns, SIZE).transpose(0, 1, 3, 2, 4)
    by_block[blocks] = holds.reshape(-1, SIZE, SIZE)
    block, place = _places(~np.logical_or.reduce([holds, *(each for _, each in verdicts)]))
    layer, row, column = (each[block] for each in blocks)
    row, column = row * SIZE + place // SIZE, column * SIZE + place % SIZE
    if rows * SIZE > len(y) or columns * SIZE > len(x):  # blocks reach beyond the lattice
        within = np.flatnonzero((row < len(y)) & (column < len(x)))
        layer, row, column = layer[within], row[within], column[within]
    return inside[:, : len(y), : len(x)], (layer, row, column)


def ends(corners: Floats) -> tuple[Floats, Floats]:
    """Return the least and the greatest of the four corners of each block, (Z, R, C)."""
    return least(corners), -least(-corners)


def least(corners: Floats) -> Floats:
    """Return the least of the four corners of each block, (Z, R, C)."""
    pairs = np.minimum(corners[:, :, 1:], corners[:, :, :-1])
    found: Floats = np.minimum(pairs[:, 1:], pairs[:, :-1])
    return found


def _step(line: Floats) -> float:
    return float(line[-1] - line[0]) / max(1, len(line) - 1)


def _corners(line: Floats) -> Floats:
    """Return the coordinates of corners; the last may be beyond the lattice."""
    found: Floats = line[0] + _step(line) * SIZE * np.arange(-(-len(line) // SIZE) + 1)
    return found


def _places(mask: Bools) -> tuple[Ints, ...]:
    """Return the positions (P,) on each axis of what is true; numpy is faster on one axis than on three."""
    return np.unravel_index(np.flatnonzero(mask), mask.shape)


def _spread(whole: Bools) -> Bools:
    """Return (Z, R * SIZE, C * SIZE) points of blocks (Z, R, C): a row of a block is written as one word."""
    layers, rows, columns = whole.shape
    words = np.empty((layers, rows, SIZE, columns), np.uint64)
    words[:] = np.where(whole, _TRUE, _FALSE)[:, :, None]
    return words.view(np.bool_).reshape(layers, rows * SIZE, columns * SIZE)


def _weights() -> Floats:
    """Return (4, SIZE * SIZE): the share of each corner in the points of a block, rows first."""
    share = np.arange(SIZE) / SIZE
    line = np.stack([1 - share, share])  # (2, S)
    return np.asarray(np.einsum("ar,bc->abrc", line, line).reshape(4, SIZE * SIZE))


_WEIGHTS = _weights()
