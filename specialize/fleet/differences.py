"""How the vehicles of a fleet differ from the median of their kind: a matrix, and the cameras that are outliers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.delta import compare
from specialize.calibration.profile import CalibrationProfile
from specialize.explain.plan import resolve_spec
from specialize.fleet.kinds import kinds_of, nearest, pinholes
from specialize.fleet.load import Failed, each_once, fleet_files, over_profiles
from specialize.fleet.median import Floats, Measured, Shape, measure, profile_from
from specialize.fleet.outliers import LEAST, Outlier, limits
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.text.progress import Say, quiet
from specialize.text.units import counted
from specialize.visibility.delta import compare_plans
from specialize.visibility.plan import VisibilityPlan

MOVED = (*LEAST, "shift_px_10m", "shift_px_20m")
COLUMNS = (*MOVED, "gained", "lost")


@dataclass(frozen=True, slots=True, eq=False)
class VehicleDifference:
    """How far one vehicle is from the median of its kind.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        digest: Digest of its profile.
        group: Index of its kind in the fleet.
        values: (N, 8) float64, the columns of `COLUMNS`; NaN where there is no such number.
    """

    vehicle: str
    path: Path
    digest: str
    group: int
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Vehicles of one kind: cameras of the same names and image sizes, in the same order, at nearly the same places.

    Attributes:
        median: Their median calibration.
        count: Number of vehicles.
        limits: (N, 4) what the rule allows, per camera and quantity of `LEAST`; infinite for too few vehicles.
    """

    median: CalibrationProfile
    count: int
    limits: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDifferences:
    """A fleet against its median.

    Attributes:
        folder: The fleet's folder.
        model: Model whose queries are counted; empty if none was named.
        groups: The kinds of vehicles, largest first.
        vehicles: In the order of their files.
        outliers: Cameras that are outliers, farthest beyond the limit first.
        failed: Profiles that could not be used.
        seconds: Wall time.
    """

    folder: Path
    model: str
    groups: tuple[Group, ...]
    vehicles: tuple[VehicleDifference, ...]
    outliers: tuple[Outlier, ...]
    failed: tuple[Failed, ...]
    seconds: float


def fleet_diff(
    folder: Path,
    model: str | None = None,
    model_spec: Path | None = None,
    jobs: int | None = None,
    say: Say = quiet,
) -> FleetDifferences:
    """Compare every vehicle of a folder with the median of its kind.

    Raises:
        InputError: The folder has no profile that can be used, or two of one vehicle.
        UsageError: There is no such built-in model.
    """
    start = time.perf_counter()
    spec = resolve_spec(model or "", model_spec) if model or model_spec else None
    files = fleet_files(folder)
    say(f"reading {counted(len(files), 'profile')}")
    measured, failed = _measured(files, jobs)
    kinds = _kinds(measured)
    told = "their median" if len(kinds) == 1 else f"the medians of {len(kinds)} kinds"
    say(f"comparing {counted(len(measured), 'vehicle')} with {told}")
    work = _Compare(kinds, spec)
    compared = list(over_profiles([path for path, _ in measured], work, jobs))
    vehicles = tuple(one for one in compared if isinstance(one, VehicleDifference))
    failed += [one for one in compared if isinstance(one, Failed)]
    groups = _groups(kinds, vehicles)
    return FleetDifferences(
        folder=folder,
        model=spec.name if spec else "",
        groups=groups,
        vehicles=vehicles,
        outliers=_outliers(groups, vehicles),
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """Reads a vehicle as numbers; runs in other processes."""

    def __call__(self, path: Path, profile: CalibrationProfile) -> tuple[Path, str, Measured]:
        return path, profile.vehicle, measure(profile)


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """A kind before its vehicles are compared: cameras, their median rows (N, 12 or more), and that as a profile."""

    shape: Shape
    centre: Floats
    median: CalibrationProfile


class _Compare:
    """Compares a vehicle with the median of its kind, the nearest one; runs in other processes."""

    def __init__(self, kinds: Sequence[_Kind], spec: ModelSpec | None) -> None:
        self.kinds = kinds
        self.spec = spec
        self.plans: dict[int, tuple[VisibilityPlan, ...]] = {}

    def __call__(self, path: Path, profile: CalibrationProfile) -> VehicleDifference:
        index = self._kind_of(measure(profile))
        delta = compare(self.kinds[index].median, profile)
        rows = [[_number(getattr(camera, name)) for name in MOVED] for camera in delta.cameras]
        values = np.concatenate([np.array(rows), self._queries(index, profile)], axis=1)
        return VehicleDifference(profile.vehicle, path, profile.digest, index, values)

    def _kind_of(self, one: Measured) -> int:
        places = [index for index, kind in enumerate(self.kinds) if kind.shape == one.shape]
        centres = np.stack([self.kinds[index].centre for index in places])
        return places[int(nearest(one.values[None], centres, pinholes(one.shape))[0])]

    def _queries(self, index: int, profile: CalibrationProfile) -> NDArray[np.float64]:
        """Return (N, 2): queries gained and lost against the median, over all grids; NaN without a model."""
        if self.spec is None:
            return np.full((len(profile.cameras), 2), np.nan)
        if index not in self.plans:
            self.plans[index] = visible_sets(self.spec, self.kinds[index].median)
        changes = [
            [(len(change.gained), len(change.lost)) for change in compare_plans(before, after).cameras]
            for before, after in zip(self.plans[index], visible_sets(self.spec, profile), strict=True)
        ]
        return np.asarray(np.array(changes, np.float64).reshape(-1, len(profile.cameras), 2).sum(axis=0))


def _measured(files: Sequence[Path], jobs: int | None) -> tuple[list[tuple[Path, Measured]], list[Failed]]:
    failed: list[Failed] = []
    found = each_once(over_profiles(files, _Measure(), jobs), failed, lambda one: (one[1], one[0]))
    return [(path, values) for path, _, values in found], failed


def _kinds(measured: list[tuple[Path, Measured]]) -> tuple[_Kind, ...]:
    """Return every kind of vehicles, the one with most of them first."""
    by_shape: dict[Shape, list[Floats]] = {}
    for _, one in measured:
        by_shape.setdefault(one.shape, []).append(one.values)
    counted_kinds: list[tuple[int, _Kind]] = []
    for shape, rows in by_shape.items():
        values = np.stack(rows)
        centres = kinds_of(values, pinholes(shape))
        counts = np.bincount(nearest(values, centres, pinholes(shape)), minlength=len(centres))
        for count, centre in zip(counts, centres, strict=True):
            if count:
                counted_kinds.append(
                    (int(count), _Kind(shape, centre, profile_from(shape, centre, "median")))
                )
    return tuple(kind for _, kind in sorted(counted_kinds, key=lambda pair: -pair[0]))


def _groups(kinds: Sequence[_Kind], vehicles: tuple[VehicleDifference, ...]) -> tuple[Group, ...]:
    groups = []
    for index, kind in enumerate(kinds):
        values = [one.values[:, : len(LEAST)] for one in vehicles if one.group == index]
        distances = np.array(values).reshape(-1, len(kind.shape), len(LEAST))
        groups.append(Group(kind.median, len(values), limits(distances)))
    return tuple(groups)


def _outliers(groups: tuple[Group, ...], vehicles: tuple[VehicleDifference, ...]) -> tuple[Outlier, ...]:
    found = []
    for one in vehicles:
        group, number = groups[one.group], one.group + 1
        cameras = group.median.camera_names()
        whose = f"the median of kind {number} ({counted(group.count, 'vehicle')})"
        for camera, column in np.argwhere(one.values[:, : len(LEAST)] > group.limits):
            found.append(
                Outlier(
                    vehicle=one.vehicle, path=one.path, camera=cameras[camera], quantity=tuple(LEAST)[column],
                    value=float(one.values[camera, column]), limit=float(group.limits[camera, column]),
                    kind=number, median=whose if len(groups) > 1 else "the fleet's median",
                )
            )  # fmt: skip
    return tuple(sorted(found, key=lambda outlier: (-outlier.value / outlier.limit, str(outlier))))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
