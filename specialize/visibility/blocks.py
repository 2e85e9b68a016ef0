"""Which points of a lattice a camera sees: whole blocks where one bound settles them, point by point elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from specialize.visibility.grid import Bools, Floats, Ints

SIZES = (16, 4)
"""Rows and columns of a block, coarse to fine; what no block settles is looked at point by point."""

Settle = Callable[[Floats, Floats], tuple[Bools, Bools]]
"""Takes centres (3, B) and radii (B,) of blocks; returns which are inside whole, and which are outside whole."""


def settle_blocks(axes: tuple[Floats, Floats, Floats], settle: Settle) -> tuple[Bools, Ints]:
    """Return what whole blocks settle.

    Args:
        axes: Coordinates x, y and z of the lattice, evenly spaced.
        settle: What decides blocks.

    Returns:
        (Z, Y, X) points of blocks that are inside, and (P, 3) positions that no block settles.
    """
    x, y, z = axes
    coarse = SIZES[0]
    rows, columns = -(-len(y) // coarse), -(-len(x) // coarse)
    inside = np.zeros((len(z), rows * coarse, columns * coarse), bool)
    at = np.stack(np.meshgrid(range(len(z)), range(rows), range(columns), indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    for size, smaller in zip(SIZES, (*SIZES[1:], 1), strict=True):
        centres, radii = _balls(at, size, (x, y, z))
        whole, none = settle(centres, radii)
        blocks = inside.reshape(len(z), rows * coarse // size, size, columns * coarse // size, size)
        blocks.transpose(0, 1, 3, 2, 4)[tuple(at[whole].T)] = True
        at = _children(at[~(whole | none)], size // smaller)
        within = (at[:, 1] * smaller < len(y)) & (at[:, 2] * smaller < len(x))
        at = at[within]
    return inside[:, : len(y), : len(x)], at


def _balls(
    at: Ints, size: int, axes: tuple[Floats, Floats, Floats]
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Return centres (3, B) and radii (B,) of the balls around blocks."""
    x, y, z = axes
    ends = []
    for line, first in ((x, at[:, 2] * size), (y, at[:, 1] * size)):
        last = np.minimum(first + size, len(line)) - 1
        ends.append((line[first], line[last]))
    (left, right), (low, high) = ends
    centres = np.stack([(left + right) / 2, (low + high) / 2, z[at[:, 0]]])
    return centres, np.hypot(right - left, high - low) / 2


def _children(at: Ints, parts: int) -> Ints:
    """Return the positions of the smaller blocks, `parts` by `parts` in each."""
    step = np.stack(np.meshgrid([0], range(parts), range(parts), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray((at * [1, parts, parts])[:, None] + step, np.int64).reshape(-1, 3)
