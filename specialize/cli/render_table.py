"""Render the tables of a vehicle as a table."""

from __future__ import annotations

from specialize.binding.outcome import TableOutcome
from specialize.digest import short
from specialize.text.document import Document, table

MOST_NAMED = 5
"""Pairs, and points."""

_SIDES = {True: "kept", False: "left out", None: "undecided"}


def table_text(outcome: TableOutcome) -> Document:
    """Return what `specialize table` shows."""
    rows = (
        (name, tensor.dtype, " x ".join(map(str, tensor.shape)) or "1")
        for name, tensor in outcome.tensors.items()
    )
    body = table("input of the engine", "type", "shape", rows=rows)
    head = f"{outcome.output}: tables of {outcome.vehicle} for {outcome.build_dir}, {outcome.size:,} bytes"
    digests = f"digests: profile {short(outcome.digests['profile'])}, build {short(outcome.digests['build'])}"
    return (head, body, *_borderline(outcome), digests)


def _borderline(outcome: TableOutcome) -> list[str]:
    """Return which pairs and points rounding decided, in the words of the program `guard`."""
    several = any(pair.grid for pair in outcome.borderline)
    pairs = [
        f"{pair.camera} {f'grid {pair.grid} ' if several else ''}query {pair.query} {_SIDES[pair.kept]}"
        for pair in outcome.borderline
    ]
    points = [
        f"{point.camera} depth {point.depth} row {point.row} column {point.column} "
        + (_SIDES[point.kept] if point.cell is None else f"in cell {point.cell}")
        for point in outcome.borderline_points
    ]
    return _told("pairs within rounding of an image border", pairs) + _told(
        "points within rounding of a cell's border", points
    )


def _told(what: str, named: list[str]) -> list[str]:
    more = ", ..." if len(named) > MOST_NAMED else ""
    return [f"{what}: {len(named)} ({', '.join(named[:MOST_NAMED])}{more})"] if named else []
