"""The five arrays of `BEVPoolV2`, for engines that pool with that operator, made of the cell of every point.

As `voxel_pooling_prepare_v2` of BEVDet makes them, int32: points inside the box sorted by cell, the number of each
among all points and of its pixel, and where the points of a cell begin and how many they are. Here every array has as
many places as there is room for: what is left repeats the last point and the last interval, which changes no sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specialize.binding.relink.assemble import Draft, NotPortableError
from specialize.binding.relink.members import levels_of
from specialize.binding.relink.pool_ways import PoolMaker
from specialize.binding.relink.pools import Ints, Pool
from specialize.binding.relink.program import DTYPES, Binary, Reduce, Unary
from specialize.rows.capacity import Room
from specialize.witness.frustum import Frustum, Landing

INT32, INT64 = (DTYPES.index(np.dtype(code)) for code in ("<i4", "<i8"))
PIXEL = (0, 2, 3)
"""The axes that number pixels: cameras, rows and columns."""

RANKS = (2, 1, 0)
"""The order of x, y and z that number cells, slowest first."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many points and filled cells there is room for."""

    points: int
    cells: int


def capacity_of(room: Room, cells: int) -> Capacity:
    """Return the room for points and filled cells of an engine that pools."""
    ((points,),) = room.slots
    return Capacity(points, min(points, cells, levels_of(room)[0]))


def order_of(owner: Ints, landing: Landing, frustum: Frustum) -> tuple[int, ...]:
    """Return the order of x, y and z that a model numbers its cells by, slowest first.

    Args:
        owner: (points,) the cells, -1 for points that are left out.
        landing: Where the points land.
        frustum: The cells.

    Raises:
        NotPortableError: They are in no order.
    """
    sure = ~landing.doubtful.reshape(-1)
    cell = landing.cell.reshape(-1)
    parts = np.unravel_index(np.maximum(cell, 0), frustum.cells)
    for order in itertools.permutations(range(3)):
        number = np.zeros_like(cell)
        for axis in order:
            number = number * frustum.cells[axis] + parts[axis]
        if np.array_equal(np.where(cell >= 0, number, -1)[sure], owner[sure]):
            return order
    raise NotPortableError(
        "cells that are in no order of x, y and z, or points in another than the frustum's"
    )


def bevpool_drafts(
    maker: PoolMaker, pool: Pool, order: Sequence[int], cells: Sequence[int], room: Capacity
) -> dict[str, Draft]:
    """Return the five arrays, by name.

    Args:
        maker: Makes the cells.
        pool: The pooling; its points are numbered by camera, depth, row and column.
        order: The order of x, y and z that its cells are numbered by, slowest first.
        cells: Number of cells along x, y and z.
        room: How many points and filled cells there is room for.
    """
    make = maker.share.assembler
    none, zero, one = make.ints([-1]), make.ints([0]), make.ints([1])
    turned = maker.renumbered(
        make.binary(Binary.MAX, maker.owner(pool), zero),
        [cells[axis] for axis in order],
        [order.index(axis) for axis in RANKS],
    )
    rank = make.where(make.binary(Binary.GREATER_EQUAL, maker.owner(pool), zero), turned, none)
    sorted_ = make.reshape(make.cut(rank, pool.cells, room.points, 1), (room.points,))
    points, used = _filled(maker, sorted_)
    bev = make.binary(Binary.MAX, make.take(rank, points), zero)
    begins = make.unary(Unary.NOT, make.binary(Binary.EQUAL, bev, _before(maker, bev)))
    kept = make.binary(Binary.AND, begins, make.binary(Binary.GREATER_EQUAL, sorted_, zero))
    firsts = make.reshape(make.cut(make.where(kept, zero, none), 1, room.cells, 1), (room.cells,))
    ends = make.concat([make.copy(firsts, (room.cells - 1,), (1,), 1), none], 0) if room.cells > 1 else none
    lengths = make.binary(
        Binary.SUB, make.where(make.binary(Binary.GREATER_EQUAL, ends, zero), ends, used), firsts
    )
    starts, intervals = _filled(maker, firsts)
    last = make.binary(Binary.MAX, make.binary(Binary.SUB, intervals, one), zero)
    at = make.where(make.binary(Binary.GREATER_EQUAL, firsts, zero), make.ints(range(room.cells)), last)
    counted = make.binary(Binary.MIN, make.take(lengths, at), used)  # nothing where no point is kept
    made = {
        "ranks_depth": points,
        "ranks_feat": maker.renumbered(points, pool.axes, PIXEL),
        "ranks_bev": bev,
        "interval_starts": starts,
        "interval_lengths": counted,
    }
    return {name: make.cast(draft, INT32) for name, draft in made.items()}


def _filled(maker: PoolMaker, row: Draft) -> tuple[Draft, Draft]:
    """Return a row whose places of -1 at the end repeat the last before them, 0 without one, and how many these are."""
    make, (size,) = maker.share.assembler, row.shape
    zero, used = make.ints([0]), make.binary(Binary.GREATER_EQUAL, row, make.ints([0]))
    count = make.reshape(make.reduce(Reduce.SUM, make.cast(used, INT64), 0), (1,))
    last = make.binary(Binary.MAX, make.binary(Binary.SUB, count, make.ints([1])), zero)
    end = make.binary(Binary.MAX, make.take(row, last), zero)
    return make.reshape(make.where(used, row, end), (size,)), count


def _before(maker: PoolMaker, row: Draft) -> Draft:
    """Return the element before each, -1 before the first."""
    make, (size,) = maker.share.assembler, row.shape
    return (
        make.concat([make.ints([-1]), make.copy(row, (size - 1,), (1,))], 0) if size > 1 else make.ints([-1])
    )
