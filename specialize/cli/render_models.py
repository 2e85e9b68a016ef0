"""The built-in models, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import RenderableType

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.model import ModelSpec

SCHEMA = "specialize/models@1"


def models_json(specs: Mapping[str, ModelSpec]) -> dict[str, Any]:
    """Return what `specialize models --json` prints."""
    return {"schema": SCHEMA, "models": {name: msgspec.to_builtins(spec) for name, spec in specs.items()}}


def models_text(specs: Mapping[str, ModelSpec]) -> RenderableType:
    """Return what `specialize models` shows."""
    body = table("model", "image", "queries", "cameras", "calibration inputs")
    for name, spec in specs.items():
        width, height = spec.image.size_px
        grids = ", ".join("x".join(str(n) for n in grid.shape) for grid in spec.grids)
        body.add_row(
            name,
            f"{width} x {height}",
            grids or "-",
            str(len(spec.cameras) or "any"),
            ", ".join(spec.calibration_inputs),
        )
    return stack(body, "next: specialize build --calib PROFILE --model MODEL")
