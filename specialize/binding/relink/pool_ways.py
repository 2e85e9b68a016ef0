"""The ways in which the tables of a pooling may be made of the cell of every point; each says what it would give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from specialize.binding.relink.assemble import BOOL, INT64, Draft
from specialize.binding.relink.pools import Blocks, Ints, Pool
from specialize.binding.relink.program import Binary
from specialize.binding.relink.share import Share
from specialize.binding.relink.way import Way
from specialize.rows.capacity import SIDE_BY_SIDE, SIZE, most_rows


@dataclass(frozen=True, slots=True, eq=False)
class PoolDrafts:
    """Points in blocks, as arrays of a program: see `Blocks`."""

    places: tuple[Draft, ...]
    filled: tuple[Draft, ...]
    cells: Draft


@dataclass(slots=True, eq=False)
class PoolMaker:
    """Makes the arrays of poolings, each once.

    Attributes:
        share: The model's share of the calibration.
        owners: By pooling the cell of every point, with an instruction of its own.
    """

    share: Share
    owners: dict[Pool, Draft] = field(default_factory=dict)
    _made: dict[tuple[Pool, tuple[int, ...]], PoolDrafts] = field(default_factory=dict)

    def owner(self, pool: Pool) -> Draft:
        """Return (points,), the cell of every point, -1 for none."""
        if pool not in self.owners:
            assembler, share = self.share.assembler, self.share
            cell, kept = self._by_coordinates(pool) if pool.digits else self._by_number(pool)
            if pool.mask is not None:
                mask = assembler.reshape(assembler.cast(share.draft(pool.mask), BOOL), (pool.points,))
                kept = assembler.binary(Binary.AND, kept, mask)
            self.owners[pool] = assembler.where(kept, cell, assembler.ints([-1]))
        return self.owners[pool]

    def _by_number(self, pool: Pool) -> tuple[Draft, Draft]:
        """Return the cell of every point, and whether there is such a cell."""
        assembler = self.share.assembler
        cell = assembler.reshape(assembler.cast(self.share.draft(pool.value), INT64), (pool.points,))
        return cell, self._inside(cell, pool.cells)

    def _by_coordinates(self, pool: Pool) -> tuple[Draft, Draft]:
        """Return the same of points whose rows are coordinates of cells."""
        assembler = self.share.assembler
        whole = assembler.cast(self.share.draft(pool.value), INT64)
        width = math.prod(whole.shape) // pool.points
        whole = assembler.reshape(whole, (pool.points, width))
        cell = kept = None
        for digit in pool.digits:
            part = assembler.copy(whole, (pool.points,), (width,), digit.column)
            inside = self._inside(part, digit.size)
            kept = inside if kept is None else assembler.binary(Binary.AND, kept, inside)
            if cell is not None:
                part = assembler.binary(
                    Binary.ADD, assembler.binary(Binary.MUL, cell, assembler.ints([digit.size])), part
                )
            cell = part
        assert cell is not None and kept is not None
        return cell, kept

    def _inside(self, number: Draft, count: int) -> Draft:
        make = self.share.assembler
        return make.binary(
            Binary.AND,
            make.binary(Binary.GREATER_EQUAL, number, make.ints([0])),
            make.binary(Binary.LESS, number, make.ints([count])),
        )

    def blocks(self, pool: Pool, levels: tuple[int, ...]) -> PoolDrafts:
        """Return the points in blocks."""
        if (pool, levels) not in self._made:
            self._made[pool, levels] = self._blocks(pool, levels)
        return self._made[pool, levels]

    def _blocks(self, pool: Pool, levels: tuple[int, ...]) -> PoolDrafts:
        make, above = self.share.assembler, self.owner(pool)
        counts = make.count(above, pool.cells, most_rows(len(levels)))
        none, zero = make.ints([-1]), make.ints([0])
        places, filled, left = [], [], []
        for level, kept in enumerate(levels):
            cut = make.cut(above, pool.cells, kept, SIZE)
            used = make.binary(Binary.GREATER_EQUAL, cut, zero)
            first = make.copy(cut, (kept, 1), (SIZE, 1))
            spare = make.binary(Binary.MAX, make.copy(cut, (1, 1), (1, 1)), zero)
            is_used = make.binary(Binary.GREATER_EQUAL, first, zero)
            places.append(make.where(used, cut, make.where(is_used, first, spare)))
            filled.append(used)
            some = make.reshape(make.binary(Binary.MAX, first, zero), (kept,))
            is_used = make.reshape(is_used, (kept,))
            own = make.where(is_used, make.take(above, some), none)
            number = make.take(counts, make.binary(Binary.MAX, own, zero))
            many = make.binary(Binary.GREATER, number, make.ints([SIDE_BY_SIDE * SIZE ** (level + 1)]))
            more = make.binary(Binary.AND, is_used, many)
            above = make.where(more, own, none)
            left.append(make.where(more, none, own))
        sums = make.concat(left, 0)
        cells = make.listed(sums, pool.cells, SIDE_BY_SIDE, sum(levels))
        return PoolDrafts(tuple(places), tuple(filled), cells)

    def ways(self, pool: Pool, label: str, levels: tuple[int, ...], size: int) -> Iterator[Way]:
        """Yield the ways in which a table of a pooling may be made.

        Args:
            pool: The pooling.
            label: Kind of the table.
            levels: Blocks there is room for on every level.
            size: Elements of the table.
        """

        def way(name: str, read: Callable[[Blocks | PoolDrafts], Any]) -> Way:
            return Way(
                ("pool", *pool.key, name),
                lambda vehicle: read(pool.blocks(self.share, vehicle, levels)),
                lambda: read(self.blocks(pool, levels)),
            )

        for level, kept in enumerate(levels):
            if label == "scale" and size == kept * SIZE:
                yield way(f"filled {level}", partial(_level, name="filled", level=level))
            if label == "blocks" and level and size == kept * SIZE:
                yield way(f"blocks {level}", partial(_level, name="places", level=level))
        if label == "cells" and size == pool.cells * SIDE_BY_SIDE:
            yield way("cells", lambda of: of.cells)
        if label == "rows" and size == levels[0] * SIZE:
            for order in _orders(len(pool.axes)):
                yield way(f"rows {order}", partial(self._rows, axes=pool.axes, order=order))

    def _rows(self, of: Blocks | PoolDrafts, axes: Sequence[int], order: Sequence[int]) -> Any:
        points = of.places[0]
        if isinstance(points, Draft):
            return self.renumbered(points, axes, order)
        return renumbered(points, axes, order)

    def renumbered(self, points: Draft, axes: Sequence[int], order: Sequence[int]) -> Draft:
        """Return the numbers of points if only some axes count, in another order; points are not below 0."""
        make, total = self.share.assembler, None
        for divisor, modulus, factor in _digits(axes, order):
            part = points
            if divisor != 1:
                part = make.binary(Binary.DIV, part, make.ints([divisor]))
            if modulus:
                part = make.binary(Binary.MOD, part, make.ints([modulus]))
            if factor != 1:
                part = make.binary(Binary.MUL, part, make.ints([factor]))
            total = part if total is None else make.binary(Binary.ADD, total, part)
        assert total is not None
        return total


def _level(of: Blocks | PoolDrafts, name: str, level: int) -> Any:
    return getattr(of, name)[level]


def _orders(axes: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders in which some of the axes may number rows, the likeliest first: all of them as they stand."""
    for count in range(axes, 0, -1):
        yield from itertools.permutations(range(axes), count)


def renumbered(points: Ints, axes: Sequence[int], order: Sequence[int]) -> Ints:
    """Return the numbers of points if only some axes count, in another order."""
    total = np.zeros_like(points)
    for divisor, modulus, factor in _digits(axes, order):
        part = points // divisor
        total += (part % modulus if modulus else part) * factor
    return total


def _digits(axes: Sequence[int], order: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return what numbers are divided by, the modulus (0 for none) and the factor, for every run of axes."""
    runs: list[list[int]] = []
    for axis in order:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    found = []
    for place, run in enumerate(runs):
        width = math.prod(axes[axis] for axis in run)
        divisor = math.prod(axes[run[-1] + 1 :])
        factor = math.prod(axes[axis] for later in runs[place + 1 :] for axis in later)
        found.append((divisor, 0 if run[0] == 0 else width, factor))
    return found
