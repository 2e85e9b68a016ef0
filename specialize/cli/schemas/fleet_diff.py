"""JSON of `fleet diff`: a matrix of numbers, each under its name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from specialize.fleet import differences, outliers
from specialize.fleet.differences import COLUMNS, MOVED, FleetDifferences, VehicleDifference
from specialize.fleet.load import Failed
from specialize.fleet.outliers import LEAST
from specialize.text.record import Each, Record


class Limits(Record, frozen=True, kw_only=True):
    """From where on a camera is an outlier; null where its vehicles are too few.

    Attributes:
        rotation_mrad: Turned.
        translation_mm: Shifted.
        focal_percent: Focal length.
        principal_point_px: Principal point.
    """

    rotation_mrad: float | None
    translation_mm: float | None
    focal_percent: float | None
    principal_point_px: float | None


class CameraLimits(Record, frozen=True, kw_only=True):
    """A camera of a kind.

    Attributes:
        name: Its name.
        limits: From where on it is an outlier.
    """

    name: str
    limits: Limits


class FleetGroup(Record, frozen=True, kw_only=True):
    """Vehicles of one kind: the same cameras, at nearly the same places.

    Attributes:
        kind: Its number, from 1.
        vehicles: How many.
        median: Digest of their median calibration.
        cameras: In order.
    """

    kind: int
    vehicles: int
    median: str
    cameras: tuple[CameraLimits, ...]


class CameraDistance(Record, frozen=True, kw_only=True, omit_defaults=True):
    """How far one camera is from the median; null where there is no such number.

    Attributes:
        name: Its name.
        rotation_mrad: Turned.
        translation_mm: Shifted.
        focal_percent: Focal length.
        principal_point_px: Principal point.
        shift_px_10m: Largest movement in the image of a point at 10 m.
        shift_px_20m: Largest movement in the image of a point at 20 m.
        gained: Queries that it sees and the median's camera does not; with `--model` only.
        lost: Queries that the median's camera sees and it does not; with `--model` only.
    """

    name: str
    rotation_mrad: float | None
    translation_mm: float | None
    focal_percent: float | None
    principal_point_px: float | None
    shift_px_10m: float | None
    shift_px_20m: float | None
    gained: float | None = None
    lost: float | None = None


class VehicleDistance(Record, frozen=True, kw_only=True):
    """How far one vehicle is from the median of its kind.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        group: Place of its kind in `groups`.
        cameras: In order.
    """

    vehicle: str
    path: Path
    profile: str
    group: int
    cameras: tuple[CameraDistance, ...]


class Outlier(Record, frozen=True, kw_only=True):
    """A camera that is an outlier.

    Attributes:
        vehicle: Whose it is.
        path: Its profile.
        camera: Its name.
        quantity: In what; the last part is the unit.
        value: Distance from the median.
        limit: What is allowed.
        kind: Number of the vehicle's kind.
        text: The same as a sentence.
    """

    vehicle: str
    path: Path
    camera: str
    quantity: str
    value: float | None
    limit: float | None
    kind: int
    text: str


class FleetDiff(Record, frozen=True, kw_only=True):
    """`specialize fleet diff --json`.

    Attributes:
        folder: Folder of the profiles.
        model: Name of the model whose queries are counted; empty without `--model`.
        vehicles: How many.
        seconds: Wall time.
        kinds: How many kinds of vehicles there are.
        groups: The kinds, the one with most vehicles first.
        matrix: Every vehicle against the median of its kind, camera by camera.
        outliers: Cameras that are outliers, the farthest first.
        failed: Profiles that cannot be used, and why.
    """

    folder: Path
    model: str
    vehicles: int
    seconds: float
    kinds: int
    groups: tuple[FleetGroup, ...]
    matrix: Sequence[VehicleDistance]
    outliers: tuple[Outlier, ...]
    failed: tuple[Failed, ...]


def differing(found: FleetDifferences) -> FleetDiff:
    """Return what `fleet diff --json` says of a comparison."""
    return FleetDiff(
        folder=found.folder, model=found.model, vehicles=len(found.vehicles), seconds=round(found.seconds, 3),
        kinds=len(found.groups), groups=tuple(_group(*one) for one in enumerate(found.groups, start=1)),
        matrix=Each(found.vehicles, lambda one: _vehicle(one, found.groups[one.group])),
        outliers=tuple(map(_outlier, found.outliers)), failed=found.failed,
    )  # fmt: skip


def _group(kind: int, group: differences.Group) -> FleetGroup:
    limits = [Limits(**dict(zip(LEAST, map(_number, row), strict=True))) for row in group.limits]
    names = group.median.camera_names()
    cameras = tuple(CameraLimits(name=name, limits=one) for name, one in zip(names, limits, strict=True))
    return FleetGroup(kind=kind, vehicles=group.count, median=group.median.digest, cameras=cameras)


def _vehicle(one: VehicleDifference, group: differences.Group) -> VehicleDistance:
    columns = COLUMNS if not np.isnan(one.values[:, -1]).any() else MOVED
    rows = (dict(zip(columns, map(_number, row), strict=False)) for row in one.values)
    names = group.median.camera_names()
    cameras = tuple(CameraDistance(name=name, **row) for name, row in zip(names, rows, strict=True))
    return VehicleDistance(
        vehicle=one.vehicle, path=one.path, profile=one.digest, group=one.group, cameras=cameras
    )


def _outlier(one: outliers.Outlier) -> Outlier:
    return Outlier(
        vehicle=one.vehicle, path=one.path, camera=one.camera, quantity=one.quantity,
        value=_number(one.value), limit=_number(one.limit), kind=one.kind, text=str(one),
    )  # fmt: skip


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
