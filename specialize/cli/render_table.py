"""The tables of a vehicle, as JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specialize.digest import short
from specialize.request import TableOutcome
from specialize.text.document import Document, table

SCHEMA = "specialize/table-made@1"
MOST_PAIRS = 5
"""That are named."""

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
    """Say which pairs rounding decided, in the words of the program `guard`."""
    pairs = outcome.borderline
    if not pairs:
        return []
    several = any(pair.grid for pair in pairs)
    said = [
        f"{pair.camera} {f'grid {pair.grid} ' if several else ''}query {pair.query} {_SIDES[pair.kept]}"
        for pair in pairs[:MOST_PAIRS]
    ]
    more = ", ..." if len(pairs) > MOST_PAIRS else ""
    return [f"pairs within rounding of an image border: {len(pairs)} ({', '.join(said)}{more})"]
