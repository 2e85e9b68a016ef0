"""Render how a fleet has moved since an earlier state: who was recalibrated, by how much, and which mounts creep."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.cli.render_failed import failed_line
from specialize.fleet.drift import FleetDrift, Recalibrated, Trend
from specialize.fleet.lock import default_lock
from specialize.text.document import Document, Table, table
from specialize.text.terminal import command
from specialize.text.units import counted, number

MOST = 20
NAMED = 5
_SIDES = {
    "pitch_mrad": ("up", "down", "mrad"),
    "yaw_mrad": ("right", "left", "mrad"),
    "roll_mrad": ("clockwise", "counterclockwise", "mrad"),
    "x_mm": ("along the lidar's x", "against the lidar's x", "mm"),
    "y_mm": ("along the lidar's y", "against the lidar's y", "mm"),
    "z_mm": ("along the lidar's z", "against the lidar's z", "mm"),
}
"""Which way a camera moves if the number is positive, and if it is negative; the unit."""


def drift_text(found: FleetDrift) -> Document:
    """Return what `specialize fleet diff --since` shows."""
    changed = len(found.recalibrated) + len(found.other_cameras)
    counts = (
        f"{changed} recalibrated, {found.unchanged} unchanged, {len(found.added)} new, {len(found.gone)} gone"
    )
    parts: list[str | Table] = [f"{found.fleet} since {found.since}: {counts}"]
    if found.recalibrated:
        shown = found.recalibrated[:MOST]
        parts.append(
            table("vehicle", "camera", "turned\nmrad", "shifted\nmm", "others\nmoved", rows=map(_row, shown))
        )
    parts += _listed(found)
    parts.append(
        "\n".join(map(_said, found.trends))
        if found.trends
        else "no camera moves the same way on many vehicles"
    )
    parts += [failed_line(one) for one in found.failed]
    step = "status" if default_lock(found.fleet).is_file() else "plan"
    parts.append(f"next: specialize fleet {step} {command(found.fleet)}")
    return tuple(parts)


def _row(one: Recalibrated) -> tuple[str, ...]:
    if not one.cameras:
        return one.vehicle, "-", "-", "-", "0"
    first = one.cameras[0]
    moved = number(first.turned_mrad, 2), number(first.shifted_mm, 1)
    return one.vehicle, first.camera, *moved, str(len(one.cameras) - 1)


def _listed(found: FleetDrift) -> list[str]:
    """Return the lines about vehicles that are not in the table."""
    lines = []
    if len(found.recalibrated) > MOST:
        lines.append(f"and {len(found.recalibrated) - MOST} more; --json lists all")
    for title, names in (
        ("new", found.added), ("gone", found.gone), ("other cameras than before", found.other_cameras),
    ):  # fmt: skip
        if names:
            lines.append(f"{title}: {_some(names)}")
    return lines


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _said(trend: Trend) -> str:
    positive, negative, unit = _SIDES[trend.quantity]
    side = positive if trend.median > 0 else negative
    whom = f"{trend.same_way} of {counted(trend.vehicles, 'recalibrated vehicle')} the same way"
    return (
        f"{trend.camera} creeps {number(abs(trend.median), 2)} {unit} {side}: {whom}, p = {trend.p_value:.0e}"
    )
