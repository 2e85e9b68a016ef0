"""Is every vehicle of a fleet served by a build that is right for today's calibration?"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.off import without
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import is_table
from specialize.fleet.again import planned_again
from specialize.fleet.builds import FleetBuild
from specialize.fleet.judging import NOT_LOCKED, OTHER_CAMERAS, STATES, BuildState, Judge, VehicleState
from specialize.fleet.load import Failed, UniqueNames, fleet_files, over_profiles
from specialize.fleet.lock import FleetLock, build_of, full_lock, read_outline
from specialize.fleet.request import FleetRequest
from specialize.fleet.status_columns import Compared, compare_columns
from specialize.fleet.subsets import missing_of
from specialize.fleet.vehicle import Vehicle, identify, whole_name
from specialize.fleet.verified_rows import Looking
from specialize.model.spec import ModelSpec
from specialize.store import open_store
from specialize.text.record import Record

LISTED = 1000
"""How many vehicles and unreadable rows of a table are listed; all are counted."""


class FleetStatus(Record, frozen=True, kw_only=True):
    """`specialize fleet status --json`.

    Attributes:
        folder: Folder of the profiles.
        lock: File that holds the plan.
        ok: Whether every vehicle is served.
        fresh: Vehicles whose build is right.
        stale: Vehicles that have moved on.
        missing: Vehicles without a build.
        damaged: Vehicles whose build or tables in the store are not what was written.
        unused: Vehicles of the plan without a profile.
        unreadable: Profiles that cannot be used.
        builds: Builds that are missing or damaged, by their keys.
        verified: Rows of a table whose digests were computed anew; 0 of a folder, all of whose profiles are read.
        vehicles: Sorted by name; of a table only the first 1000 of those with a reason of their own, not that of their
            build.
        failed: Profiles that cannot be used, and why; of a table the first 1000 places.
        again: The command that plans the fleet again, with the options of the lock.
    """

    folder: Path
    lock: Path
    ok: bool
    fresh: int
    stale: int
    missing: int
    damaged: int
    unused: int
    unreadable: int
    builds: tuple[BuildState, ...]
    verified: int
    vehicles: tuple[VehicleState, ...]
    failed: tuple[Failed, ...]
    again: str

    @property
    def exit_code(self) -> int:
        """3 if a vehicle is stale, else 1 if a build is damaged or a profile cannot be read."""
        return 3 if self.stale else 1 if self.unreadable or self.damaged else 0

    @property
    def total(self) -> int:
        """Number of vehicles."""
        return int(sum(getattr(self, state) for state in STATES))


def fleet_status(
    folder: Path,
    lock_file: Path,
    jobs: int | None = None,
    verify: bool = False,
    executor: Executor | None = None,
) -> FleetStatus:
    """Compare a fleet's profiles with its lock and its store; reads no model, but compares every part with its digest.

    Of a fleet that is a table, the digests in the table are compared with those in the table of the lock, and only
    what differs is looked at; the tables of its vehicles are not looked for in the store. That the rows of a table have
    the digests that they state is shown for a sample of them.

    Args:
        folder: The fleet.
        lock_file: Its lock.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        verify: Compute the digests of all rows of a table anew, not of a sample.
        executor: Where profiles are read, instead of processes of this machine.

    Raises:
        InputError: There is no lock, or no profile.
    """
    outline, table = read_outline(lock_file)
    if table is None or not is_table(folder):
        return _status_of_files(folder, lock_file, full_lock(outline, lock_file, table), jobs, executor)
    judge = Judge(
        outline.request, {key: build_of(line) for key, line in outline.builds.items()}, open_store()
    )
    look = Looking(LISTED, jobs, verify, executor)
    found = compare_columns(folder, table, outline, judge, look)
    return _status(folder, lock_file, outline.request, found)


def _status_of_files(
    folder: Path, lock_file: Path, lock: FleetLock, jobs: int | None, executor: Executor | None
) -> FleetStatus:
    """Return the status of a fleet whose profiles are read one by one."""
    judge = Judge(lock.request, lock.builds, open_store())
    known = {one.vehicle: (one, build) for build in lock.builds.values() for one in build.members}
    names, told = UniqueNames(), []
    work = _Identify(judge.spec, lock.request.subsets)
    results = list(over_profiles(fleet_files(folder), work, jobs, executor))
    lacking: collections.Counter[str] = collections.Counter()
    for one in results:
        if not isinstance(one, Failed):
            names.add(one[0].vehicle, one[0].path)
            told += [_judged(rig, known, judge, lacking) for rig in one]
    failed = [one for one in results if isinstance(one, Failed)]
    present = {rig.vehicle for one in results if not isinstance(one, Failed) for rig in one}
    told += _unused(lock, present, {one.path.resolve() for one in failed})
    counts = collections.Counter(one.state for one in told)
    builds = [judge.build_state(key, count) for key, count in lacking.items()]
    return _status(folder, lock_file, lock.request, Compared(counts, told, failed, len(failed), builds))


def _judged(
    today: Vehicle,
    known: dict[str, tuple[Vehicle, FleetBuild]],
    judge: Judge,
    lacking: collections.Counter[str],
) -> VehicleState:
    """Return how a vehicle stands, and count it among those that lack their build."""
    state, reason = NOT_LOCKED
    if today.vehicle in known:
        locked, build = known[today.vehicle]
        state, reason = judge.of(today, locked, build.key)
        lacking[build.key] += (state, reason) == judge.of_build(build.key) and state != "fresh"
    return VehicleState(vehicle=today.vehicle, state=state, reason=reason)


def _status(folder: Path, lock_file: Path, request: FleetRequest, found: Compared) -> FleetStatus:
    counts = found.counts
    return FleetStatus(
        folder=folder,
        lock=lock_file,
        ok=not (counts["stale"] or counts["damaged"] or found.unreadable),
        **{state: counts[state] for state in STATES},
        unreadable=found.unreadable,
        builds=tuple(sorted((one for one in found.builds if one.vehicles), key=lambda one: one.build)),
        verified=found.verified,
        vehicles=tuple(sorted(found.told, key=lambda one: one.vehicle)),
        failed=tuple(found.failed),
        again=planned_again(request, folder, lock_file),
    )


@dataclass(frozen=True, slots=True)
class _Identify:
    """Reads which vehicle a profile is of, and what is true today of it and of its rigs with cameras off.

    Runs in other processes.
    """

    spec: ModelSpec
    subsets: int

    def __call__(self, path: Path, profile: CalibrationProfile) -> list[Vehicle]:
        missing = [off for _, off in missing_of(profile, self.subsets)]
        return [identify(path, without(profile, off), self.spec, missing=off) for off in ((), *missing)]


def _unused(lock: FleetLock, present: set[str], broken: set[Path]) -> Iterator[VehicleState]:
    for name, one in lock.vehicles.items():
        if name in present or one.path.resolve() in broken:
            continue
        if whole_name(name, one.without) in present:
            yield VehicleState(vehicle=name, state="stale", reason=OTHER_CAMERAS[1])
        else:
            yield VehicleState(vehicle=name, state="unused", reason=f"{one.path} is gone")
