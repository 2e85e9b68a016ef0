"""Render the comparison of a fleet with its medians as a matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from specialize.cli.render_failed import failed_line
from specialize.fleet.differences import FleetDifferences, Group
from specialize.fleet.outliers import FEWEST
from specialize.fleet.report_apart import verdict
from specialize.text.document import Document, Table, table
from specialize.text.units import counted, number

# A matrix for people has at most this many rows; then the outliers, and the spread.
MOST_ROWS = 40
MOST_OUTLIERS = 20
NAMED = 3


def diff_text(found: FleetDifferences) -> Document:
    """Return what `specialize fleet diff` shows."""
    count = len(found.vehicles)
    kinds = len(found.groups)
    whose = "their median" if kinds == 1 else f"the medians of {kinds} kinds"
    head = f"{counted(count, 'vehicle')} in {found.folder}, compared with {whose} in {found.seconds:.1f} s"
    parts: list[str | Table] = [head]
    for index, group in enumerate(found.groups):
        parts += _group_parts(found, index, group)
    if found.outliers:
        parts.append("\n".join(str(outlier) for outlier in found.outliers[:MOST_OUTLIERS]))
    if len(found.outliers) > MOST_OUTLIERS:
        parts.append(f"and {len(found.outliers) - MOST_OUTLIERS} more; --json lists all")
    parts.append(verdict(found))
    parts += [failed_line(failed) for failed in found.failed]
    return tuple(parts)


def _group_parts(found: FleetDifferences, index: int, group: Group) -> list[str | Table]:
    """Return the matrix of one group, or its spread if it is too large for a screen."""
    names = group.median.camera_names()
    vehicles, values = found.vehicles, found.vehicles.values[index]  # (V, N, 8)
    which = vehicles.of_group(index)
    whose = f"{counted(group.count, 'vehicle')} with {counted(len(names), 'camera')}"
    if len(found.groups) > 1:
        whose = f"kind {index + 1}: {whose} ({_some(vehicles.names[which[:NAMED]], len(which))})"
    title = f"{whose}: turned (mrad) / shifted (mm) from the median"
    moved = values[..., :2]
    spread = (("median", np.median(moved, axis=0)), ("largest", moved.max(axis=0)))
    each = zip(vehicles.names[which[:MOST_ROWS]], moved, strict=False)
    shown = [*each] if len(which) <= MOST_ROWS else [*spread]
    if group.count >= FEWEST:
        shown.append(("allowed", group.limits))
    heads = (name.replace("_", "\n", 1) for name in names)
    return [title, table("vehicle", *heads, rows=((word, *map(_cell, rows)) for word, rows in shown))]


def _some(first: Iterable[str], count: int) -> str:
    more = count - NAMED
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def _cell(row: Any) -> str:
    return f"{number(float(row[0]), 1)} / {number(float(row[1]), 0)}"
