"""Render the drawing of an attention site as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.artifact import Build
from specialize.artifact.drawing import Drawing, Step
from specialize.cli.render_build import title
from specialize.text.document import Document, Table, table, words
from specialize.text.units import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEGEND = "○ input   ◇ from the calibration   ◆ moves rows   ● computes   │ read further down"


def graph_text(build: Build) -> Document:
    """Return what `specialize inspect BUILD --graph` shows."""
    drawings = build.manifest.drawings
    if not drawings:
        return (title(build.manifest), "no site was drawn when this build was made: build again")
    parts = [part for drawing in drawings for part in _drawing(drawing)]
    return (title(build.manifest), *parts, _LEGEND)


def _drawing(drawing: Drawing) -> tuple[str | Table, ...]:
    before, after = drawing.rows
    return (
        f"attention site {drawing.site} before: {before:,} rows",
        _steps(drawing.before),
        f"attention site {drawing.site} after: {after:,} rows",
        _steps(drawing.after),
    )


def _steps(steps: Sequence[Step]) -> Table:
    from specialize.report.lanes import as_text

    many = (f" x{step.times}" if step.times > 1 else "" for step in steps)
    rows = (
        (lanes, step.what + more, step.shape, scaled(step.values))
        for lanes, step, more in zip(as_text(steps), steps, many, strict=True)
    )
    return table(*words("", "step", "result"), "numbers", rows=rows)
