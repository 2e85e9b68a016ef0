"""Render the comparison of a fleet with its medians as a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from specialize.fleet.differences import COLUMNS, MOVED, FleetDifferences, Group, VehicleDifference
from specialize.fleet.outliers import FEWEST, LEAST, Outlier
from specialize.fleet.report_apart import verdict
from specialize.text.document import Document, Table, table
from specialize.text.units import counted, number

SCHEMA = "specialize/fleet-diff@1"

# A matrix for people has at most this many rows; then the outliers, and the spread.
MOST_ROWS = 40
MOST_OUTLIERS = 20
NAMED = 3


def diff_json(found: FleetDifferences) -> dict[str, Any]:
    """Return what `specialize fleet diff --json` prints."""
    return {
        "schema": SCHEMA,
        "folder": str(found.folder),
        "model": found.model,
        "vehicles": len(found.vehicles),
        "seconds": round(found.seconds, 3),
        "kinds": len(found.groups),
        "groups": [_group_json(index, group) for index, group in enumerate(found.groups)],
        "matrix": [_vehicle_json(one, found.groups[one.group]) for one in found.vehicles],
        "outliers": [_outlier_json(outlier) for outlier in found.outliers],
        "failed": [{"path": str(failed.path), "reason": failed.reason} for failed in found.failed],
    }


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
    parts += [f"error: {failed.path}: {failed.reason}" for failed in found.failed]
    return tuple(parts)


def _group_parts(found: FleetDifferences, index: int, group: Group) -> list[str | Table]:
    """Return the matrix of one group, or its spread if it is too large for a screen."""
    names = group.median.camera_names()
    vehicles = [one for one in found.vehicles if one.group == index]
    whose = f"{counted(group.count, 'vehicle')} with {counted(len(names), 'camera')}"
    if len(found.groups) > 1:
        whose = f"kind {index + 1}: {whose} ({_some([one.vehicle for one in vehicles])})"
    title = f"{whose}: turned (mrad) / shifted (mm) from the median"
    values = np.stack([one.values for one in vehicles])  # (V, N, 8)
    spread = (("median", np.median(values, axis=0)), ("largest", values.max(axis=0)))
    shown = [(one.vehicle, one.values) for one in vehicles] if len(vehicles) <= MOST_ROWS else [*spread]
    if group.count >= FEWEST:
        shown.append(("allowed", group.limits))
    heads = (name.replace("_", "\n", 1) for name in names)
    return [title, table("vehicle", *heads, rows=((word, *map(_cell, rows)) for word, rows in shown))]


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _cell(row: Any) -> str:
    return f"{number(float(row[0]), 1)} / {number(float(row[1]), 0)}"


def _group_json(index: int, group: Group) -> dict[str, Any]:
    limits = [dict(zip(LEAST, map(_number, row), strict=True)) for row in group.limits]
    return {
        "kind": index + 1,
        "vehicles": group.count,
        "median": group.median.digest,
        "cameras": [
            {"name": name, "limits": limit}
            for name, limit in zip(group.median.camera_names(), limits, strict=True)
        ],
    }


def _vehicle_json(one: VehicleDifference, group: Group) -> dict[str, Any]:
    columns = COLUMNS if not np.isnan(one.values[:, -1]).any() else MOVED
    cameras = [
        {"name": name, **{key: _number(value) for key, value in zip(columns, row, strict=False)}}
        for name, row in zip(group.median.camera_names(), one.values, strict=True)
    ]
    return {
        "vehicle": one.vehicle,
        "path": str(one.path),
        "profile": one.digest,
        "group": one.group,
        "cameras": cameras,
    }


def _outlier_json(outlier: Outlier) -> dict[str, Any]:
    return {
        "vehicle": outlier.vehicle,
        "path": str(outlier.path),
        "camera": outlier.camera,
        "quantity": outlier.quantity,
        "value": _number(outlier.value),
        "limit": _number(outlier.limit),
        "kind": outlier.kind,
        "text": str(outlier),
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
