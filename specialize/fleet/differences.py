"""How the vehicles of a fleet differ from the median of their kind: a matrix, and the cameras that are outliers.

The fleet is read twice: for the medians, and for the distances from them. What is kept of a vehicle are its numbers, in
columns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.profile import CalibrationProfile
from specialize.digests import Digests, as_text
from specialize.explain.plan import resolve_spec
from specialize.fleet.apart import COLUMNS, MOVED, CompareChunk, Kind
from specialize.fleet.footprint import Ints
from specialize.fleet.grown import Grown, in_order
from specialize.fleet.kinds import kinds_of, nearest, pinholes
from specialize.fleet.load import Failed, fleet_files
from specialize.fleet.measuring import MeasuredFleet, Names, Part, measured_fleet
from specialize.fleet.median import Floats, profile_from
from specialize.fleet.outliers import LEAST, Outlier, limits
from specialize.fleet.sampling import Crew, crew_of
from specialize.fleet.survey import Chunk, chunks_of
from specialize.model.spec import ModelSpec
from specialize.text.on_demand import OnDemand
from specialize.text.progress import Say, quiet
from specialize.text.units import counted


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


class Differences(OnDemand[VehicleDifference]):
    """The differences of V vehicles in the order of their files; each is made when it is asked for.

    Attributes:
        files: The profiles of the whole fleet.
        places: (V,) the vehicles' places in the fleet, ascending.
        names: (V,) their names.
        digests: (V, 32) of their profiles.
        groups: (V,) the indices of their kinds.
        values: Per kind (K, N, 8), its vehicles in the same order.
    """

    def __init__(
        self, files: Sequence[Path], places: Ints, names: Names, digests: Digests, groups: Ints,
        values: tuple[Floats, ...],
    ) -> None:  # fmt: skip
        self.files = files
        self.places = places
        self.names = names
        self.digests = digests
        self.groups = groups
        self.values = values
        self._rows = np.zeros(len(groups), np.int64)
        for group in range(len(values)):
            which = np.flatnonzero(groups == group)
            self._rows[which] = np.arange(len(which))

    def __len__(self) -> int:
        return len(self.groups)

    def one(self, index: int) -> VehicleDifference:
        """Return one vehicle."""
        group = int(self.groups[index])
        return VehicleDifference(
            vehicle=self.names[index], path=self.path(index),
            digest=as_text(self.digests[index]), group=group, values=self.values[group][self._rows[index]],
        )  # fmt: skip

    def path(self, index: int) -> Path:
        """Return the profile of one vehicle."""
        return self.files[int(self.places[index])]

    def of_group(self, group: int) -> Ints:
        """Return the indices of the vehicles of one kind."""
        return np.flatnonzero(self.groups == group)


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
    vehicles: Differences
    outliers: tuple[Outlier, ...]
    failed: tuple[Failed, ...]
    seconds: float


def fleet_diff(
    folder: Path,
    model: str | None = None,
    model_spec: Path | None = None,
    jobs: int | None = None,
    say: Say = quiet,
    executor: Executor | None = None,
) -> FleetDifferences:
    """Compare every vehicle of a fleet with the median of its kind.

    Args:
        folder: The fleet.
        model: A model whose queries are counted; None for none.
        model_spec: Its sidecar.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        say: Is told what is being done.
        executor: Where vehicles are looked at, instead of processes of this machine.

    Raises:
        InputError: The folder has no profile that can be used, or two of one vehicle.
        UsageError: There is no such built-in model.
    """
    start = time.perf_counter()
    spec = resolve_spec(model or "", model_spec) if model or model_spec else None
    files = fleet_files(folder)
    say(f"reading {counted(len(files), 'profile')}")
    with crew_of(files, jobs, executor) as crew:
        measured = measured_fleet(files, crew)
        kinds = _kinds(measured)
        told = "their median" if len(kinds) == 1 else f"the medians of {len(kinds)} kinds"
        say(f"comparing {counted(len(measured), 'vehicle')} with {told}")
        known, bad = _Known.of(measured.parts), measured.failed
        del measured  # the medians are known
        vehicles, failed = _compared(files, known, kinds, spec, crew)
    groups = tuple(
        Group(kind.median, len(values), limits(values[..., : len(LEAST)]))
        for kind, values in zip(kinds, vehicles.values, strict=True)
    )
    return FleetDifferences(
        folder=folder,
        model=spec.name if spec else "",
        groups=groups,
        vehicles=vehicles,
        outliers=_outliers(groups, vehicles),
        failed=(*bad, *failed),
        seconds=time.perf_counter() - start,
    )


def _kinds(measured: MeasuredFleet) -> tuple[Kind, ...]:
    """Return every kind of vehicles, the one with most of them first."""
    counted_kinds: list[tuple[int, Kind]] = []
    for part in measured.parts:
        shape, values = part.shape, part.values
        centres = kinds_of(values, pinholes(shape))
        counts = np.bincount(nearest(values, centres, pinholes(shape)), minlength=len(centres))
        for count, centre in zip(counts, centres, strict=True):
            if count:
                counted_kinds.append((int(count), Kind(shape, centre, profile_from(shape, centre, "median"))))
    return tuple(kind for _, kind in sorted(counted_kinds, key=lambda pair: -pair[0]))


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The vehicles that can be used: their places (V,), ascending, names (V,) and digests (V, 32)."""

    places: Ints
    names: Names
    digests: Digests

    @classmethod
    def of(cls, parts: Sequence[Part]) -> _Known:
        if not parts:
            return cls(np.zeros(0, np.int64), np.zeros(0, object), np.zeros((0, 32), np.uint8))
        return cls(*in_order(parts, "places", "names", "digests"))

    def tasks(self, files: Sequence[Path]) -> Iterator[tuple[Chunk, frozenset[int]]]:
        """Yield the chunks of a fleet, each with the places of those of its vehicles that cannot be used."""
        for chunk in chunks_of(files):
            end = chunk.start + chunk.length
            first, last = np.searchsorted(self.places, [chunk.start, end])
            if last > first:
                every = range(chunk.start, end)
                yield chunk, frozenset(every).difference(self.places[first:last].tolist())


def _compared(
    files: Sequence[Path], known: _Known, kinds: Sequence[Kind], spec: ModelSpec | None, crew: Crew
) -> tuple[Differences, list[Failed]]:
    """Return the distances of all vehicles, and the profiles that cannot be compared."""
    group_of = np.full(len(files), -1, np.int64)
    values = [Grown() for _ in kinds]
    failed: list[Failed] = []
    for found in crew.in_order(known.tasks(files), CompareChunk(kinds, spec)):
        failed += [one for _, one in found.failed]
        for part in found.parts:
            group_of[part.places] = part.kind
            values[part.kind].add(part.values)
    groups = group_of[known.places]
    kept = groups >= 0
    whole = tuple(
        one.whole() if len(one) else np.zeros((0, len(kind.shape), len(COLUMNS)))
        for one, kind in zip(values, kinds, strict=True)
    )
    vehicles = Differences(
        files, known.places[kept], known.names[kept], known.digests[kept], groups[kept], whole
    )
    return vehicles, failed


def _outliers(groups: tuple[Group, ...], vehicles: Differences) -> tuple[Outlier, ...]:
    found = []
    for number, group in enumerate(groups, start=1):
        cameras = group.median.camera_names()
        whose = f"the median of kind {number} ({counted(group.count, 'vehicle')})"
        values, indices = vehicles.values[number - 1], vehicles.of_group(number - 1)
        for row, camera, column in np.argwhere(values[..., : len(LEAST)] > group.limits):
            index = int(indices[row])
            found.append(
                Outlier(
                    vehicle=vehicles.names[index], path=vehicles.path(index), camera=cameras[camera],
                    quantity=tuple(LEAST)[column], value=float(values[row, camera, column]),
                    limit=float(group.limits[camera, column]), kind=number,
                    median=whose if len(groups) > 1 else "the fleet's median",
                )
            )  # fmt: skip
    # Rounding must not decide who comes first.
    return tuple(sorted(found, key=lambda outlier: (-round(outlier.value / outlier.limit, 6), str(outlier))))


__all__ = ["COLUMNS", "MOVED", "Differences", "FleetDifferences", "Group", "VehicleDifference", "fleet_diff"]
