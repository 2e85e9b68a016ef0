"""Decode which lifted points an engine's tables add to which cell, from the tables alone.

A cell is the sum of a few sums. A sum is of one block of places, on the first level of rows and on every other of sums
of the level before; a place counts if its weight is one. So, starting from the cells, every block has a cell, and so
has every place that counts. Tables of rows number the points at the places by some of their axes: a weight by camera,
depth, row and column, a feature without the depth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.witness.frustum import Landing
from specialize.witness.rows import Ints

Arrays = Mapping[str, npt.NDArray[np.generic]]
POINT_AXES = "ndvu"
"""Axes of points, slowest first: cameras, depths, rows and columns of the image."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the tables of a pooling are.

    Attributes:
        weights: Per level the table of weights.
        blocks: Per level but the first, the table of the sums that are summed again.
        cells: The table of the sums of every cell.
        rows: Tables of rows, and the axes of points that they number, slowest first.
        order: The axes that cells are numbered by, slowest first.
        grid: Which of the frustum's grids of cells it is.
    """

    weights: tuple[str, ...]
    blocks: tuple[str, ...]
    cells: str
    rows: tuple[tuple[str, str], ...]
    order: str
    grid: int = 0


def cell_of_places(
    weights: Sequence[npt.NDArray[np.generic]], blocks: Sequence[Ints], cells: Ints
) -> Ints | str:
    """Return the cell that every place of the first level is added to, -1 for none; or why that cannot be read.

    Args:
        weights: Per level the weights of its places, (blocks, places per block).
        blocks: Per level but the first, which sum of the level before stands at every place, (places,).
        cells: The sums of every cell, (cells, k); the number of all sums stands for none.
    """
    starts = np.cumsum([0, *(len(each) for each in weights)])
    owners = np.full(int(starts[-1]), -1, np.int64)
    cell, slot = np.nonzero(cells < len(owners))
    sums = cells[cell, slot]
    if (cells < 0).any() or (cells > len(owners)).any() or len(np.unique(sums)) != len(sums):
        return "a sum of two cells"
    owners[sums] = cell
    for level in range(len(weights) - 1, -1, -1):
        own, weight = owners[starts[level] : starts[level + 1]], np.asarray(weights[level], np.float64)
        if not np.isin(weight, (0.0, 1.0)).all():
            return "weights other than zero and one"
        places = np.where(weight != 0, own[:, None], -1).reshape(-1)
        if not level:
            return places
        used = np.flatnonzero(places >= 0)
        below, start = blocks[level - 1][used], starts[level - 1]
        if (below < 0).any() or (below >= len(weights[level - 1])).any():
            return "a sum that there is not"
        if len(np.unique(below)) != len(below) or (owners[start + below] >= 0).any():
            return "a sum that is added twice"
        owners[start + below] = places[used]
    return "no level"


def read_places(reading: Reading, tables: Arrays, cells: int) -> Ints | str:
    """Return the cell that every place is added to, by the tables of a vehicle; or why that cannot be read."""
    sizes = [len(tables[name].reshape(-1)) for name in reading.weights]
    width = sizes[-1] // tables[reading.weights[-1]].shape[0]
    weights = [tables[name].reshape(-1, width) for name in reading.weights]
    blocks = [tables[name].reshape(-1).astype(np.int64) for name in reading.blocks]
    if any(len(each) != size for each, size in zip(blocks, sizes[1:], strict=True)):
        return "tables of other sizes"
    return cell_of_places(weights, blocks, tables[reading.cells].reshape(cells, -1).astype(np.int64))


def reachable(landing: Landing, counts: Sequence[int], order: str) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return where points land (points,), and which cells doubtful ones may touch, in the tables' order of cells.

    Args:
        landing: Where the points land.
        counts: Number of cells along x, y and z.
        order: The axes that the tables number cells by, slowest first, such as `y, x`; others have one cell.
    """
    named = [axis for axis in (part.strip() for part in order.split(",")) if axis]
    axes = ["xyz".index(axis) for axis in (*named, *(each for each in "xyz" if each not in named))]
    place = np.arange(math.prod(counts)).reshape([counts[axis] for axis in axes])
    turned = place.transpose(np.argsort(axes)).reshape(-1)  # by x, y, z the number in the tables
    cell = landing.cell.reshape(-1)
    touched = np.zeros(len(turned), np.bool_)
    touched[turned] = landing.touched
    return np.where(cell >= 0, turned[np.maximum(cell, 0)], -1), touched


def axes_of(rows: Ints, points: Ints, sizes: Sequence[int]) -> str | None:
    """Return by which axes of points (places,) a table numbers its rows, slowest first; None if by no axes."""
    for count in range(len(sizes), 0, -1):
        for order in itertools.permutations(range(len(sizes)), count):
            if np.array_equal(rows, _numbers(points, sizes, order)):
                return "".join(POINT_AXES[axis] for axis in order)
    return None


def points_of(rows: Ints, axes: str, sizes: Sequence[int]) -> Ints | None:
    """Return the points (places,) that a table numbers by all axes; None if it does not."""
    order = [POINT_AXES.index(axis) for axis in axes]
    if len(order) != len(sizes) or (rows < 0).any() or (rows >= math.prod(sizes)).any():
        return None
    parts = np.unravel_index(rows, [sizes[axis] for axis in order])
    found: Ints = np.zeros(len(rows), np.int64)
    for axis, size in enumerate(sizes):
        found = found * size + parts[order.index(axis)]
    return found


def wrong_numbers(rows: Ints, axes: str, points: Ints, sizes: Sequence[int]) -> int:
    """Return how many places of a table hold another row than that of their point."""
    return int((rows != _numbers(points, sizes, [POINT_AXES.index(axis) for axis in axes])).sum())


def _numbers(points: Ints, sizes: Sequence[int], order: Sequence[int]) -> Ints:
    parts = np.unravel_index(points, sizes)
    found: Ints = np.zeros(len(points), np.int64)
    for axis in order:
        found = found * sizes[axis] + parts[axis]
    return found


def wrong_points(points: Ints, cells: Ints, landing: Landing, counts: Sequence[int], order: str) -> int:
    """Return how many points are added to another cell than they land in, are left out, or are added twice.

    Args:
        points: The points that are added, (places,).
        cells: The cells that they are added to, (places,).
        landing: Where the points land.
        counts: Number of cells along x, y and z.
        order: The axes that the tables number cells by, slowest first.
    """
    wanted, touched = reachable(landing, counts, order)
    found = np.full(len(wanted), -1, np.int64)
    found[points] = cells
    twice = len(points) - len(np.unique(points))
    doubtful = landing.doubtful.reshape(-1)
    possible = (found < 0) | touched[np.maximum(found, 0)]
    return twice + int(np.where(doubtful, ~possible, found != wanted).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """Which points are added to which cells: numbers of points, and the cell of each."""

    points: Ints
    cells: Ints


def read_arrays(arrays: Arrays, sizes: Sequence[int], cells: int) -> Added | str:
    """Return what the five arrays of `BEVPoolV2` add up, as its kernel reads them; or why that cannot be read.

    An interval that stands twice writes the same sum twice.

    Args:
        arrays: The arrays, by name.
        sizes: Cameras, depths, rows and columns of the points.
        cells: Number of cells.
    """
    depth, feature, bev, starts, lengths = (
        arrays[name].reshape(-1).astype(np.int64)
        for name in ("ranks_depth", "ranks_feat", "ranks_bev", "interval_starts", "interval_lengths")
    )
    if any((each < 0).any() for each in (depth, feature, bev, starts, lengths)):
        return "a number below zero"
    if (depth >= math.prod(sizes)).any() or (bev >= cells).any() or (starts + lengths > len(depth)).any():
        return "a number that is too large"
    camera, _, row, column = np.unravel_index(depth, sizes)
    if (feature != (camera * sizes[2] + row) * sizes[3] + column).any():
        return "pixels that are not those of the points"
    once = np.unique(np.stack([starts, lengths]), axis=1)
    within = np.arange(int(once[1].sum())) - np.repeat(np.cumsum(once[1]) - once[1], once[1])
    places = np.repeat(once[0], once[1]) + within
    written = bev[once[0]]
    if len(np.unique(written)) != len(written) or (np.diff(bev) < 0).any():
        return "a cell that is written twice, or cells that do not ascend"
    if (bev[places] != np.repeat(written, once[1])).any():
        return "an interval of several cells"
    return Added(depth[places], bev[places])
