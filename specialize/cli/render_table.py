"""The tables of a vehicle, as JSON and as a table."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.digest import short
from specialize.request import TableOutcome

SCHEMA = "specialize/table-made@1"


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
        "warnings": list(outcome.warnings),
    }


def table_text(outcome: TableOutcome) -> RenderableType:
    """Return what `specialize table` shows."""
    body = table("input of the engine", "type", "shape")
    for name, (dtype, shape) in outcome.tensors.items():
        body.add_row(name, dtype, " x ".join(str(size) for size in shape) or "1")
    head = f"{outcome.output}: tables of {outcome.vehicle} for {outcome.build_dir}, {outcome.size:,} bytes"
    digests = f"digests: profile {short(outcome.profile)}, build {short(outcome.build)}"
    return stack(head, body, digests)
