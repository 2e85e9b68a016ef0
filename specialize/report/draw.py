"""Draw pictures as SVG path data: cells of a grid, run by run, so that 40000 cells take a few kilobytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def cells_path(mask: Bools) -> str:
    """Return the path of all true cells of a grid.

    Args:
        mask: (H, W) bool. Row 0 is drawn at the bottom, as y grows upwards in a top view.
    """
    rows = len(mask)
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)  # (H, W + 1)
    parts = []
    for row in range(rows):
        starts, ends = np.flatnonzero(edges[row] == 1), np.flatnonzero(edges[row] == -1)
        top = rows - 1 - row
        parts += [
            f"M{a} {top}h{b - a}v1h{a - b}z" for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    return "".join(parts)


def top_view(seen: Bools, shape: tuple[int, ...], order: str = "") -> Bools:
    """Return (N, H, W) bool: which cells each camera sees, of voxels those of the ground at any height.

    Args:
        seen: (N, Q) bool, queries in flat order.
        shape: (H, W) or (Z, H, W) of the grid.
        order: The axes that the shape counts, slowest first, if they are not z, y and x.
    """
    if len(shape) == 3 and order:
        cells = seen.reshape(len(seen), *shape).transpose(0, *(1 + order.index(axis) for axis in "zyx"))
        return np.asarray(cells.any(axis=1))
    cells = seen.reshape(len(seen), -1, *shape[-2:])  # (N, Q) -> (N, Z, H, W)
    return np.asarray(cells.any(axis=1))


def density_paths(points: Floats, inside: Bools, bins: tuple[int, int], levels: int) -> tuple[str, ...]:
    """Return one path per level of density of points in an image, the sparsest first.

    Args:
        points: (Q, D, 2) float64, u / width and v / height.
        inside: (Q, D) bool, the points to draw.
        bins: Columns and rows of the picture.
        levels: Number of levels; each covers the same number of filled bins.
    """
    columns, rows = bins
    u, v = points[inside].T
    counts, _, _ = np.histogram2d(v, u, bins=(rows, columns), range=((0, 1), (0, 1)))
    filled = counts > 0
    if not filled.any():
        return ("",) * levels
    borders = np.quantile(counts[filled], np.linspace(0, 1, levels + 1)[1:-1])
    level = np.searchsorted(borders, counts, side="left")  # (rows, columns), 0..levels-1
    return tuple(cells_path((filled & (level == number))[::-1]) for number in range(levels))
