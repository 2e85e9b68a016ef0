"""Show how cameras moved between two calibrations, for command line and reports."""

from __future__ import annotations

from specialize.calibration.delta import CameraDelta
from specialize.request import DriftOutcome, QueryChange
from specialize.text.document import Column, Table, table
from specialize.text.units import count, counted, number

_HEADS = ("rotation\nmrad", "shift\nmm", "focal\n%", "centre\npx", "10 m\npx", "20 m\npx")


def difference(outcome: DriftOutcome) -> str:
    """Return in one line what differs, for the queries of the model that were compared."""
    gained = sum(change.gained for change in outcome.queries)
    lost = sum(change.lost for change in outcome.queries)
    if outcome.verdict == "other numbers" and not outcome.queries:
        return f"the calibration values differ; no queries of {outcome.model} were compared"
    return {
        "same": "nothing moved",
        "other numbers": f"the same queries of {outcome.model} are seen, at other pixels",
        "other queries": f"{counted(gained, 'query')} of {outcome.model} gained, {lost:,} lost",
        "other cameras": "the cameras are not the same",
        "other table": "its engine serves it with a table of its own",
        "beyond capacity": f"it does not fit the capacity: {_beyond(outcome) or 'too many cameras see one query'}",
        "outside envelope": f"{counted(sum(outcome.outside), 'query')} seen outside its envelope: {_beyond(outcome)}",
    }[outcome.verdict]


def _beyond(outcome: DriftOutcome) -> str:
    """Return which cameras see how many queries outside."""
    cameras = zip(outcome.delta.cameras, outcome.outside, strict=False)
    return ", ".join(f"{count(seen)} by {camera.name}" for camera, seen in cameras if seen)


def moved_parts(outcome: DriftOutcome) -> list[str | Table]:
    """Return which cameras are others, and how far each that both have moved."""
    notes: list[str | Table] = [
        f"{word}: {', '.join(names)}"
        for word, names in (("added", outcome.delta.added), ("removed", outcome.delta.removed))
        if names
    ]
    for word, names in (("on", outcome.switched(to=0)), ("off", outcome.switched(to=1))):
        if names:
            notes.append(f"switched {word}: {', '.join(names)}")
    if outcome.delta.reordered:
        notes.append("the cameras are in another order")
    if changed := [camera.name for camera in outcome.delta.cameras if camera.lens_changed]:
        notes.append(f"another lens or distortion: {', '.join(changed)}")
    return [*notes, _cameras(outcome)] if outcome.delta.cameras else notes


def _cameras(outcome: DriftOutcome) -> Table:
    """Return how far each camera moved, and how many queries it gained and lost if they were compared."""
    changes = outcome.queries or (None,) * len(outcome.delta.cameras)
    queries = ("queries\ngained", "queries\nlost", Column("queries\nkept", page=True))
    switched = {*outcome.switched(to=0), *outcome.switched(to=1)}
    rows = (
        _row(camera, change, camera.name in switched)
        for camera, change in zip(outcome.delta.cameras, changes, strict=True)
    )
    return table("camera", *_HEADS, *queries, Column("remark", "words", page=True), rows=rows)


def _row(camera: CameraDelta, change: QueryChange | None, is_switched: bool) -> tuple[str, ...]:
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
    if is_switched:  # how far it is from where it is off says nothing
        return camera.name, *("-" for _ in moved), *queries, "switched on or off"
    return camera.name, *(number(value, 2) for value in moved), *queries, _remark(camera)


def _remark(camera: CameraDelta) -> str:
    remarks = {
        "another image size": camera.resized,
        "another lens": camera.lens_changed,
        "another tolerance": camera.tolerance_changed,
        f"{camera.time_offset_ms:+.2f} ms": camera.time_offset_ms != 0.0,
    }
    return "same" if camera.same else ", ".join(text for text, holds in remarks.items() if holds)
