"""What a build measured of itself, once, beside what was counted."""

from __future__ import annotations

from rich.console import RenderableType

from specialize.artifact.measured import Measured, MeasuredPart
from specialize.cli.tables import table
from specialize.text.units import saved, size

PARTS = {"sites": "sites with projections", "model": "whole model"}


def measured_lines(measured: Measured | None) -> list[RenderableType]:
    """Return time and memory of both forms, and what was not measured; nothing if there are no figures."""
    if measured is None:
        return []
    lines = [f"not measured: {line}" for line in measured.not_measured]
    if not measured.parts:
        return ["\n".join(lines)]
    body = table("measured here, once", "original", "specialized", "saved")
    for part in measured.parts:
        for row in _rows(part):
            body.add_row(*row)
    repeat = "; `specialize bench` repeats it" if measured.parts[0].part == "sites" else ""
    notes = [f"{measured.how()}{repeat}", *measured.contradictions, *lines]
    return [body, "\n".join(notes)]


def _rows(part: MeasuredPart) -> list[tuple[str, ...]]:
    one, two = part.original, part.specialized
    return [
        (
            f"{PARTS[part.part]}, CPU ms",
            _milliseconds(one.cpu_seconds),
            _milliseconds(two.cpu_seconds),
            saved(part.ratio, 1.0) if part.ratio >= 1 else saved(1.0, 1 / part.ratio),
        ),
        ("  peak memory", size(one.peak_bytes), size(two.peak_bytes), saved(one.peak_bytes, two.peak_bytes)),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f}" if seconds < 1 else f"{1e3 * seconds:,.0f}"
