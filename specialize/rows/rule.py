"""The rule of an operator: what it does with rows, and how that is written for fewer of them."""

from __future__ import annotations

from dataclasses import dataclass

from specialize.rows.emit import Emit
from specialize.rows.lift import Lift


@dataclass(frozen=True, slots=True)
class RowRule:
    """What one operator does with rows.

    Attributes:
        lift: Returns what an output is in terms of the inputs: a row map of one of them, or a row-wise function.
        emit: Makes the nodes of that function on the demanded rows; None for an operator that is always a row map, of
            which no node is left.
    """

    lift: Lift
    emit: Emit | None = None
