"""JSON of `specialize compare`, apart from the others because its rows come with the whole compiler."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.explain.compare import Comparison
from specialize.text.record import Record


class Compare(Record, frozen=True, kw_only=True):
    """`specialize compare --json`.

    Attributes:
        rows: Every model on every vehicle.
    """

    rows: tuple[Comparison, ...]


def compared(rows: Sequence[Comparison]) -> Compare:
    """Return what `specialize compare --json` prints."""
    return Compare(rows=tuple(rows))
