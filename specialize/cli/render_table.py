"""The tables of a vehicle, as JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specialize.binding.outcome import TableOutcome
from specialize.digest import short
from specialize.text.document import Document, table

SCHEMA = "specialize/table-made@1"
MOST_NAMED = 5
"""Pairs, and points."""

_SIDES = {True: "kept", False: "left out", None: "undecided"}


def table_json(outcome: TableOutcome) -> dict[str, Any]:
    """Return what `specialize table --json` prints."""
    return {
        "schema": SCHEMA,
        "output": str(outcome.output),
        "build_dir": str(outcome.build_dir),
        "vehicle": outcome.vehicle,
        "digests": {"profile": outcome.profile, "build": outcome.build},
        "size": outcome.size,
        "tensors": {
            name: {"dtype": dtype, "shape": list(shape)} for name, (dtype, shape) in outcome.tensors.items()
        },
        "borderline": [asdict(pair) for pair in outcome.borderline],
        "borderline_points": [asdict(point) for point in outcome.borderline_points],
        "warnings": list(outcome.warnings),
    }


def table_text(outcome: TableOutcome) -> Document:
    """Return what `specialize table` shows."""
    rows = (
        (name, dtype, " x ".join(map(str, shape)) or "1") for name, (dtype, shape) in outcome.tensors.items()
    )
    body = table("input of the engine", "type", "shape", rows=rows)
    head = f"{outcome.output}: tables of {outcome.vehicle} for {outcome.build_dir}, {outcome.size:,} bytes"
    digests = f"digests: profile {short(outcome.profile)}, build {short(outcome.build)}"
    return (head, body, *_borderline(outcome), digests)


def _borderline(outcome: TableOutcome) -> list[str]:
    """Say which pairs and points rounding decided, in the words of the program `guard`."""
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
