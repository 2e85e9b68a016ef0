"""Arrangement: in which order, and how padded, the demanded rows stand in the tensors of the specialized graph.

`ragged`: the cameras one after the other, each with its own length; least work. `padded`: cameras x longest, one
batched operator. Lengths are rounded up to a multiple of `align`, or to a given capacity. Padding places repeat a row
that is there; their results are unused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from specialize.graph.axes import size_of
from specialize.rows.axes import Axis, Factor
from specialize.rows.capacity import Room, fitting

Ints = npt.NDArray[np.int64]
LayoutName = Literal["ragged", "padded"]


@dataclass(frozen=True, slots=True)
class Packing:
    """How rows are packed.

    Attributes:
        layout: `ragged` or `padded`.
        align: Every length is a multiple of this.
        capacity: Least length per group; empty for what the rows need.
        rooms: By name of the site, what is kept for rows of any vehicle; the graph then looks the same for all of them.
        shared: Names of the constants that all vehicles have in common, where there are rooms.
        many: Whether the graph is to serve many vehicles, so that a site is rewritten even if that costs more.
        every_site: Whether a site is rewritten even if that costs more, for another reason than `many`.
        left: Names of sites that stay as they are whatever they cost.
    """

    layout: LayoutName = "ragged"
    align: int = 1
    capacity: tuple[int, ...] = ()
    rooms: tuple[tuple[str, Room], ...] = ()
    shared: frozenset[str] = frozenset()
    many: bool = False
    every_site: bool = False
    left: frozenset[str] = frozenset()

    def room(self, site: str) -> Room | None:
        """Return what is kept for a site; None if it takes what its rows need."""
        return dict(self.rooms).get(site)

    def lengths(self, wanted: Ints) -> Ints:
        """Return the length of every group, given how many rows each needs."""
        floor = np.zeros_like(wanted)
        if self.capacity:
            floor = np.broadcast_to(np.array(self.capacity, dtype=np.int64), wanted.shape)
        lengths = -(-np.maximum(wanted, floor) // self.align) * self.align
        return np.full_like(lengths, lengths.max(initial=0)) if self.layout == "padded" else lengths


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Rows in order, group by group.

    Attributes:
        rows: Row factors that the row numbers count, outermost first.
        index: Row number at every place, padding included, (places,).
        filled: Which places are not padding, (places,).
        lengths: Places per group, padding included.
        groups: Those of the row factors that tell the group.
        group: Stands for the groups in a padded tensor; None in a ragged one.
        row: Stands for the rows (of one group, if padded).
        parts: Stand for the rows of each group that has any, where groups are handled one by one.
    """

    rows: Axis
    index: Ints
    filled: npt.NDArray[np.bool_]
    lengths: tuple[int, ...]
    groups: Axis
    group: Factor | None
    row: Factor
    parts: Axis

    def at(self, rows: Axis, index: Ints) -> Arrangement:
        """Return the same places, filled with other rows of other factors."""
        groups = tuple(factor for factor in self.groups if factor in rows)
        return Arrangement(rows, index, self.filled, self.lengths, groups, self.group, self.row, self.parts)

    def times(self, several: Axis) -> Arrangement:
        """Return the arrangement of finer rows, all of a row's own one after the other where it stood.

        Args:
            several: What the finer rows of one row are numbered by, inner to its own factors.
        """
        count = size_of(several)
        index = (self.index[:, None] * count + np.arange(count)).ravel()
        row, *parts = (Factor(each.size * count, each.rank) for each in (self.row, *self.parts))
        lengths = tuple(length * count for length in self.lengths)
        rows, filled = (*self.rows, *several), np.repeat(self.filled, count)
        return Arrangement(rows, index, filled, lengths, self.groups, self.group, row, tuple(parts))

    @property
    def tokens(self) -> Axis:
        """The factors that stand for rows in tensors of this arrangement."""
        found = () if self.group is None else (self.group,)
        return (*found, self.row)

    def wanted(self) -> tuple[int, ...]:
        """Return how many rows each group has, padding left out."""
        numbers = group_of(self.rows, self.groups, self.index[self.filled])
        return tuple(int(number) for number in np.bincount(numbers, minlength=len(self.lengths)))

    def place_of(self) -> Ints:
        """Return where each row stands, -1 for rows that are not there."""
        places = np.full(size_of(self.rows), -1, dtype=np.int64)
        places[self.index[self.filled]] = np.flatnonzero(self.filled)
        return places


def group_of(rows: Axis, groups: Axis, index: Ints) -> Ints:
    """Return the group number of every row."""
    if not groups:
        return np.zeros(len(index), dtype=np.int64)
    coordinates = dict(zip(rows, np.unravel_index(index, [factor.size for factor in rows]), strict=True))
    number = np.zeros(len(index), dtype=np.int64)
    for factor in groups:
        number = number * factor.size + coordinates[factor]
    return number


def arrange(
    rows: Axis, groups: Axis, demanded: Ints, packing: Packing, kept: tuple[int, ...] | None = None
) -> Arrangement:
    """Return the demanded rows, ascending within their groups, in the lengths of the layout or in those that are kept.

    Raises:
        NoRoomError: They do not fit in what is kept.
    """
    count = size_of(groups)
    numbers = group_of(rows, groups, demanded)
    wanted = np.bincount(numbers, minlength=count)
    lengths = packing.lengths(wanted) if kept is None else fitting(wanted, kept)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    index = np.zeros(starts[-1], dtype=np.int64)
    filled = np.zeros(starts[-1], dtype=np.bool_)
    order = np.lexsort((demanded, numbers))
    members = np.split(demanded[order], np.cumsum(wanted)[:-1])
    spare = _first_of_group(rows, groups)
    for number, member in enumerate(members):
        begin, end = starts[number], starts[number] + len(member)
        index[begin:end] = member
        filled[begin:end] = True
        index[end : starts[number + 1]] = member[-1] if len(member) else spare[number]
    padded = packing.layout == "padded" and count > 1
    group = Factor(count, (-2,)) if padded else None
    row = Factor(int(lengths.max(initial=0)) if padded else len(index), (-1,))
    parts = () if padded else tuple(Factor(int(length), (-1,)) for length in lengths if length)
    return Arrangement(rows, index, filled, tuple(int(n) for n in lengths), groups, group, row, parts)


def arrange_as(rows: Axis, index: Ints, filled: npt.NDArray[np.bool_]) -> Arrangement:
    """Return rows in a given order, in one group.

    Args:
        rows: Row factors that the row numbers count, outermost first.
        index: Row number at every place, (places,).
        filled: Which places are not padding, (places,).
    """
    row, length = Factor(len(index), (-1,)), len(index)
    return Arrangement(rows, index, filled, (length,), (), None, row, (Factor(length, (-1,)),))


def _first_of_group(rows: Axis, groups: Axis) -> Ints:
    """Return the least row number of every group."""
    strides = {factor: size_of(rows[place + 1 :]) for place, factor in enumerate(rows)}
    first = np.zeros(1, dtype=np.int64)
    for factor in groups:
        first = (first[:, None] + np.arange(factor.size) * strides[factor]).ravel()
    return first
