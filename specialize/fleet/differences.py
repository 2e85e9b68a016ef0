"""How the vehicles of a fleet differ from its median: a matrix, and the cameras that are outliers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.delta import compare
from specialize.calibration.profile import CalibrationProfile
from specialize.explain.plan import resolve_spec
from specialize.fleet.load import Failed, UniqueNames, fleet_files, over_profiles
from specialize.fleet.median import Measured, Shape, measure, median_profile, shape_of
from specialize.fleet.outliers import LEAST, Outlier, limits
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.text.units import counted
from specialize.visibility.delta import compare_plans
from specialize.visibility.plan import VisibilityPlan

MOVED = (*LEAST, "shift_px_10m", "shift_px_20m")
COLUMNS = (*MOVED, "gained", "lost")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class VehicleDifference:
    """How far one vehicle is from the median of its group.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        digest: Digest of its profile.
        group: Index of its group in the fleet.
        values: (N, 8) float64, the columns of `COLUMNS`; NaN where there is no such number.
    """

    vehicle: str
    path: Path
    digest: str
    group: int
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Vehicles whose cameras can be compared: the same names and image sizes, in the same order.

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
        groups: Largest first.
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
    say: Say = lambda line: None,
) -> FleetDifferences:
    """Compare every vehicle of a folder with the median of those that have the same cameras.

    Raises:
        InputError: The folder has no profile that can be used, or two of one vehicle.
        UsageError: There is no such built-in model.
    """
    start = time.perf_counter()
    spec = resolve_spec(model or "", model_spec) if model or model_spec else None
    files = fleet_files(folder)
    say(f"reading {len(files)} profiles")
    measured, failed = _measured(files, jobs)
    medians = _medians(measured)
    say(f"comparing {counted(len(measured), 'vehicle')} with their median")
    work = _Compare(medians, spec)
    compared = list(over_profiles([path for path, _ in measured], work, jobs))
    vehicles = tuple(one for one in compared if isinstance(one, VehicleDifference))
    failed += [one for one in compared if isinstance(one, Failed)]
    groups = _groups(medians, vehicles)
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


class _Compare:
    """Compares a vehicle with the median of its group; runs in other processes."""

    def __init__(self, medians: dict[Shape, CalibrationProfile], spec: ModelSpec | None) -> None:
        self.medians = medians
        self.spec = spec
        self.order = {shape: index for index, shape in enumerate(medians)}
        self.plans: dict[Shape, tuple[VisibilityPlan, ...]] = {}

    def __call__(self, path: Path, profile: CalibrationProfile) -> VehicleDifference:
        shape = shape_of(profile)
        delta = compare(self.medians[shape], profile)
        rows = [[_number(getattr(camera, name)) for name in MOVED] for camera in delta.cameras]
        values = np.concatenate([np.array(rows), self._queries(shape, profile)], axis=1)
        return VehicleDifference(profile.vehicle, path, profile.digest, self.order[shape], values)

    def _queries(self, shape: Shape, profile: CalibrationProfile) -> NDArray[np.float64]:
        """Return (N, 2): queries gained and lost against the median, over all grids; NaN without a model."""
        if self.spec is None:
            return np.full((len(profile.cameras), 2), np.nan)
        if shape not in self.plans:
            self.plans[shape] = visible_sets(self.spec, self.medians[shape])
        changes = [
            [(len(change.gained), len(change.lost)) for change in compare_plans(before, after).cameras]
            for before, after in zip(self.plans[shape], visible_sets(self.spec, profile), strict=True)
        ]
        return np.asarray(np.array(changes, np.float64).reshape(-1, len(profile.cameras), 2).sum(axis=0))


def _measured(files: tuple[Path, ...], jobs: int | None) -> tuple[list[tuple[Path, Measured]], list[Failed]]:
    names, measured, failed = UniqueNames(), [], []
    for one in over_profiles(files, _Measure(), jobs):
        if isinstance(one, Failed):
            failed.append(one)
            continue
        path, vehicle, values = one
        names.add(vehicle, path)
        measured.append((path, values))
    return measured, failed


def _medians(measured: list[tuple[Path, Measured]]) -> dict[Shape, CalibrationProfile]:
    """Return the median of every group, largest group first."""
    by_shape: dict[Shape, list[NDArray[np.float64]]] = {}
    for _, one in measured:
        by_shape.setdefault(one.shape, []).append(one.values)
    ordered = sorted(by_shape.items(), key=lambda item: (-len(item[1]), item[0]))
    return {shape: median_profile(shape, np.stack(values), "median") for shape, values in ordered}


def _groups(
    medians: dict[Shape, CalibrationProfile], vehicles: tuple[VehicleDifference, ...]
) -> tuple[Group, ...]:
    groups = []
    for index, median in enumerate(medians.values()):
        values = [one.values[:, : len(LEAST)] for one in vehicles if one.group == index]
        groups.append(Group(median, len(values), limits(np.stack(values))))
    return tuple(groups)


def _outliers(groups: tuple[Group, ...], vehicles: tuple[VehicleDifference, ...]) -> tuple[Outlier, ...]:
    found = []
    for one in vehicles:
        allowed = groups[one.group].limits
        cameras = groups[one.group].median.camera_names()
        for camera, column in np.argwhere(one.values[:, : len(LEAST)] > allowed):
            value, limit = float(one.values[camera, column]), float(allowed[camera, column])
            found.append(Outlier(one.vehicle, one.path, cameras[camera], tuple(LEAST)[column], value, limit))
    return tuple(sorted(found, key=lambda outlier: (-outlier.value / outlier.limit, str(outlier))))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
