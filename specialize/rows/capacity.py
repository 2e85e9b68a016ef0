"""Capacity: how many rows a site needs, and how many are kept where the rows of other vehicles must fit as well.

A graph that serves several calibrations must look the same for each: the same lengths, the same number of rows summed
per query, the same operators. What a site needs is recorded as it is emitted; what is kept is given beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

SIZE = 8
"""Rows of a block."""

SIDE_BY_SIDE = 2
"""Sums of a cell up to which they are gathered at once; a cell with fewer reads rows of zeros."""


class NoRoomError(Exception):
    """Rows do not fit in what was kept for them.

    Attributes:
        wanted: Rows per group, rows summed per query, or blocks per level.
        kept: What there is room for.
        what: `rows`, `sum`, `weights`, `fan-in` (rows of one cell) or `blocks`.
    """

    def __init__(self, what: str, wanted: tuple[int, ...], kept: tuple[int, ...]) -> None:
        super().__init__(what, wanted, kept)
        self.what, self.wanted, self.kept = what, wanted, kept


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """How rows are summed back.

    Attributes:
        fan_in: Rows summed per row of the result.
        scaled: Whether rows are multiplied by coefficients.
        scattered: Whether many rows are pooled to few, by a scatter or in blocks, instead of gathered row by row.
        blocks: Blocks on every level, where rows are pooled.
    """

    fan_in: int
    scaled: bool
    scattered: bool
    blocks: tuple[int, ...] = ()

    def fitting(self, needs: Sum) -> Sum:
        """Return this, if what is needed fits in it.

        Raises:
            NoRoomError: More rows are summed per query, or in more blocks, or coefficients have no place.
        """
        if self.scattered:
            self._hold(needs)
            return self
        if needs.fan_in > self.fan_in:
            raise NoRoomError("sum", (needs.fan_in,), (self.fan_in,))
        if needs.scaled and not self.scaled:
            raise NoRoomError("weights", (1,), (0,))
        return self

    def _hold(self, needs: Sum) -> None:
        if needs.fan_in > most_rows(len(self.blocks)):
            raise NoRoomError("fan-in", (needs.fan_in,), (most_rows(len(self.blocks)),))
        wanted = needs.blocks + (0,) * (len(self.blocks) - len(needs.blocks))
        if any(blocks > kept for blocks, kept in zip(wanted, self.blocks, strict=True)):
            raise NoRoomError("blocks", wanted, self.blocks)


@dataclass(frozen=True, slots=True)
class Room:
    """The room of one site.

    Attributes:
        slots: Rows per group of every arrangement, in the order in which they are made.
        sums: Every sum, in the order in which they are made.
    """

    slots: tuple[tuple[int, ...], ...]
    sums: tuple[Sum, ...]

    def slot(self, number: int) -> tuple[int, ...]:
        """Return the rows per group of an arrangement; none for one that is not there, in which nothing fits."""
        return self.slots[number] if number < len(self.slots) else ()

    def fitting(self, number: int, needs: Sum) -> Sum:
        """Return a sum, if what is needed fits in it.

        Raises:
            NoRoomError: It does not, or there is no such sum: the graph of the vehicle looks different.
        """
        if number >= len(self.sums):
            raise NoRoomError("rows", (needs.fan_in,), ())
        return self.sums[number].fitting(needs)


def fitting(wanted: Ints, kept: tuple[int, ...]) -> Ints:
    """Return the lengths that are kept, if the wanted rows fit in them.

    Raises:
        NoRoomError: They do not.
    """
    lengths = np.array(kept, dtype=np.int64)
    if lengths.shape != wanted.shape or (wanted > lengths).any():
        raise NoRoomError("rows", tuple(int(n) for n in wanted), kept)
    return lengths


def most_rows(levels: int) -> int:
    """Return how many rows of one cell so many levels of blocks can sum."""
    return int(SIDE_BY_SIDE * SIZE**levels)
