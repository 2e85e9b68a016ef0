"""Points that are pooled: which value of a model's share says the cell of each, found by how many points cells have.

An engine that pools sums the points of a cell in blocks (`rows/block_sums.py`): its tables hold which point stands at
every place, which sums are summed again, and which are a cell's. All of them follow from one row of numbers, the cell
of every point. Here that row is found in the model, and the tables are made of it a second time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.relink.members import levels_of, members_of
from specialize.binding.relink.places import counts_of, cut_of, listed_of
from specialize.binding.relink.share import Share
from specialize.graph.shapes import dims
from specialize.rows.capacity import SIDE_BY_SIDE, SIZE, Room, most_rows
from specialize.rows.table_input import Table

Array = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MOST_AXES = 5
"""Axes of points whose orders are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Points of cells in blocks, as `rows/block_sums.py` arranges them.

    Attributes:
        places: Per level which point, or which block of the level before, stands at every place, (blocks * SIZE,).
        filled: Per level which places hold one of their own.
        cells: Which sums are those of every cell, (cells, SIDE_BY_SIDE).
    """

    places: tuple[Ints, ...]
    filled: tuple[Bools, ...]
    cells: Ints


def blocks_of(owner: Ints, cells: int, levels: Sequence[int]) -> Blocks:
    """Return the points of every cell in blocks.

    Args:
        owner: The cell of every point; -1 for none.
        cells: Number of cells.
        levels: Blocks there is room for on every level.

    Raises:
        DoesNotFitError: There are too few.
    """
    counts = counts_of(owner, cells, most_rows(len(levels)))
    places, filled, left = [], [], []
    above = owner
    for level, kept in enumerate(levels):
        cut = cut_of(above, cells, kept * SIZE, SIZE)
        first = cut[::SIZE]
        own = np.where(first >= 0, above[np.maximum(first, 0)], -1)
        spare = max(int(cut[0]), 0)
        repeated = np.repeat(first, SIZE)
        places.append(np.where(cut >= 0, cut, np.where(repeated >= 0, repeated, spare)))
        filled.append(cut >= 0)
        more = (own >= 0) & (counts[np.maximum(own, 0)] > SIDE_BY_SIDE * SIZE ** (level + 1))
        above = np.where(more, own, -1)
        left.append(np.where(more, -1, own))
    sums = np.concatenate(left)
    return Blocks(tuple(places), tuple(filled), listed_of(sums, cells, SIDE_BY_SIDE, len(sums)))


@dataclass(frozen=True, slots=True)
class Digit:
    """One coordinate of a cell.

    Attributes:
        column: Where it stands in the row of a point.
        size: How many values of it are inside.
    """

    column: int
    size: int


@dataclass(slots=True, eq=False)
class Pool:
    """One pooling of a model: the value that says the cell of every point, and the mask of those that are kept.

    Attributes:
        cells: Number of cells.
        value: The cells, in any shape; with `digits` the coordinates of cells, a row per point.
        mask: Which points are kept, in any shape; None if all whose cell there is are.
        axes: Sizes of the axes that points are numbered by, slowest first.
        digits: Which coordinates a cell's number is made of, slowest first; nothing where values are numbers of cells.
    """

    cells: int
    value: ir.Value
    mask: ir.Value | None
    axes: tuple[int, ...]
    digits: tuple[Digit, ...] = ()
    _made: dict[tuple[object, ...], Blocks] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """Number of points."""
        return math.prod(self.axes)

    @property
    def key(self) -> tuple[object, ...]:
        """Key by which poolings differ."""
        return (self.value.name, None if self.mask is None else self.mask.name, self.digits)

    def owner(self, share: Share, vehicle: int) -> Ints:
        """Return the cell of every point for a vehicle, -1 for none, by the graph."""
        (array,) = share.contents([self.value], vehicle)
        cell = array.reshape(-1).astype(np.int64)
        kept = (cell >= 0) & (cell < self.cells)
        if self.digits:
            parts = [cell.reshape(self.points, -1)[:, digit.column] for digit in self.digits]
            kept, cell = np.ones(self.points, np.bool_), np.zeros(self.points, np.int64)
            for digit, part in zip(self.digits, parts, strict=True):
                kept &= (part >= 0) & (part < digit.size)
                cell = cell * digit.size + part
        if self.mask is not None:
            (mask,) = share.contents([self.mask], vehicle)
            kept &= mask.reshape(-1) != 0
        return np.where(kept, cell, -1)

    def blocks(self, share: Share, vehicle: int, levels: tuple[int, ...]) -> Blocks:
        """Return the points of a vehicle in blocks.

        Raises:
            DoesNotFitError: There are too few.
        """
        key = (vehicle, levels)
        if key not in self._made:
            self._made[key] = blocks_of(self.owner(share, vehicle), self.cells, levels)
        return self._made[key]


def find_pools(
    share: Share,
    tables: Sequence[Table],
    rooms: Sequence[Mapping[str, Room]],
    contents: Sequence[Mapping[str, Array]],
    axes: tuple[int, ...],
    grids: Sequence[tuple[int, ...]] = (),
) -> dict[str, list[Pool]]:
    """Return by site what says the cells of its points; few of them, and most often one.

    Args:
        share: The model's share of the calibration.
        tables: The engine's tables.
        rooms: Per vehicle the rooms of its tables, by site; those of the engine first.
        contents: Per vehicle its tables.
        axes: Cameras, depths, rows and columns of the points; nothing if they are not known.
        grids: Cells along x, y and z, per grid of cells that is known.
    """
    found = {}
    for site, room in rooms[0].items():
        levels = levels_of(room)
        members = members_of(tables, site, len(levels)) if levels else None
        if members is None:
            continue
        numbers = {
            vehicle: members.counts(each)
            for vehicle, each in enumerate(contents)
            if len(levels_of(rooms[vehicle].get(site)))
            == len(levels)  # with more, not all of its tables are here
        }
        found[site] = list(_numbered(share, numbers, axes)) or [
            pool for sizes in grids for pool in _with_coordinates(share, numbers, axes, sizes)
        ]
    return found


def _numbered(share: Share, counts: Mapping[int, Ints], axes: tuple[int, ...]) -> Iterator[Pool]:
    """Yield the values that put as many points into each cell as the tables of every vehicle do."""
    least, cells = int(counts[0].sum()), len(counts[0])
    for value in share.of_kind("i"):
        size = math.prod(dims(value))
        if size < least or (axes and size != math.prod(axes)):
            continue
        masks = [mask for mask in share.of_kind("b") if math.prod(dims(mask)) == size]
        for mask in (None, *masks):
            pool = Pool(cells, value, mask, axes or _axes(share, size))
            if _agrees(share, pool, counts):
                yield pool
                break


def _with_coordinates(
    share: Share, counts: Mapping[int, Ints], axes: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[Pool]:
    """Yield likewise the values whose rows are coordinates of cells, for models that number kept points alone."""
    cells, points = len(counts[0]), math.prod(axes)
    if not axes or math.prod(sizes) != cells:
        return
    for value in share.of_kind("i"):
        shape = dims(value)
        if len(shape) < 2 or shape[-1] < len(sizes) or math.prod(shape[:-1]) != points:
            continue
        for order in itertools.permutations(range(len(sizes))):
            pool = Pool(cells, value, None, axes, tuple(Digit(axis, sizes[axis]) for axis in order))
            if _agrees(share, pool, counts):
                yield pool
                break


def _agrees(share: Share, pool: Pool, counts: Mapping[int, Ints]) -> bool:
    """Return whether every cell has as many points as in the tables of every vehicle."""
    for vehicle, own in counts.items():
        owner = pool.owner(share, vehicle)
        if not np.array_equal(np.bincount(owner[owner >= 0], minlength=len(own)), own):
            return False
    return True


def _axes(share: Share, size: int) -> tuple[int, ...]:
    """Return the sizes of the most axes that begin a value of the graph and count so many points."""
    best: tuple[int, ...] = (size,)
    for shape in share.shapes:
        for end in range(1, len(shape) + 1):
            lead = tuple(each for each in shape[:end] if each != 1)
            if math.prod(lead) == size and len(best) < len(lead) <= MOST_AXES:
                best = lead
    return best
