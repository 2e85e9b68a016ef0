"""How cameras moved between two calibrations, as the command line and reports show it."""

from __future__ import annotations

from specialize.calibration.delta import CameraDelta
from specialize.request import DriftOutcome, QueryChange
from specialize.text.document import Column, Table, table
from specialize.text.units import count, number

_HEADS = ("rotation\nmrad", "shift\nmm", "focal\n%", "centre\npx", "10 m\npx", "20 m\npx")


def cameras_table(outcome: DriftOutcome) -> Table:
    """Return how far each camera moved, and how many queries it gained and lost if they were compared."""
    changes = outcome.queries or (None,) * len(outcome.delta.cameras)
    queries = ("queries\ngained", "queries\nlost", Column("queries\nkept", page=True))
    rows = map(_row, outcome.delta.cameras, changes)
    return table("camera", *_HEADS, *queries, Column("remark", "words", page=True), rows=rows)


def _row(camera: CameraDelta, change: QueryChange | None) -> tuple[str, ...]:
    moved = (
        camera.rotation_mrad,
        camera.translation_mm,
        camera.focal_percent,
        camera.principal_point_px,
        camera.shift_px_10m,
        camera.shift_px_20m,
    )
    changes = (change.gained, change.lost, change.kept) if change else ()
    queries = map(count, changes) if changes else ("-", "-", "-")
    return camera.name, *(number(value, 2) for value in moved), *queries, _remark(camera)


def _remark(camera: CameraDelta) -> str:
    remarks = {
        "another image size": camera.resized,
        "another lens": camera.lens_changed,
        "another tolerance": camera.tolerance_changed,
        f"{camera.time_offset_ms:+.2f} ms": camera.time_offset_ms != 0.0,
    }
    return "same" if camera.same else ", ".join(text for text, holds in remarks.items() if holds)
