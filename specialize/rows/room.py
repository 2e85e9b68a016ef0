"""Room: how much a site needs for its rows, and how much is kept for them where others' rows must fit as well.

A graph that serves several calibrations must look the same for each: the same lengths, the same number of rows summed
per query, the same operators. What a site needs is recorded as it is emitted; what is kept is given beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class NoRoomError(Exception):
    """Rows do not fit in what was kept for them.

    Attributes:
        wanted: Rows per group, or rows summed per query.
        kept: What there is room for.
        what: `rows`, `sum` or `weights`.
    """

    def __init__(self, what: str, wanted: tuple[int, ...], kept: tuple[int, ...]) -> None:
        super().__init__(what, wanted, kept)
        self.what, self.wanted, self.kept = what, wanted, kept


@dataclass(frozen=True, slots=True)
class Sum:
    """How rows are summed back.

    Attributes:
        fan_in: Rows summed per row of the result.
        scaled: Whether rows are multiplied by coefficients.
        scattered: Whether by a scatter instead of a gather.
    """

    fan_in: int
    scaled: bool
    scattered: bool

    def fitting(self, needs: Sum) -> Sum:
        """Return this, if what is needed fits in it.

        Raises:
            NoRoomError: More rows are summed per query, or coefficients are needed that have no place.
        """
        if needs.fan_in > self.fan_in and not self.scattered:
            raise NoRoomError("sum", (needs.fan_in,), (self.fan_in,))
        if needs.scaled and not self.scaled:
            raise NoRoomError("weights", (1,), (0,))
        return self


@dataclass(frozen=True, slots=True)
class Room:
    """The room of one site.

    Attributes:
        slots: Rows per group of every arrangement, in the order in which they are made.
        sums: Every sum, in the order in which they are made.
    """

    slots: tuple[tuple[int, ...], ...]
    sums: tuple[Sum, ...]


def fitting(wanted: Ints, kept: tuple[int, ...]) -> Ints:
    """Return the lengths that are kept, if the wanted rows fit in them.

    Raises:
        NoRoomError: They do not.
    """
    lengths = np.array(kept, dtype=np.int64)
    if lengths.shape != wanted.shape or (wanted > lengths).any():
        raise NoRoomError("rows", tuple(int(n) for n in wanted), kept)
    return lengths
