"""Is every vehicle of a fleet served by a build that is right for today's calibration?"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from specialize.artifact.build import PROFILE
from specialize.binding.envelope_file import FILE_NAME, pairs_outside
from specialize.calibration.delta import compare
from specialize.calibration.document import parse_document
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.files.scratch import work_folder
from specialize.fleet.builds import FleetBuild
from specialize.fleet.grouping import survey_of
from specialize.fleet.load import Failed, UniqueNames, fleet_files, over_profiles
from specialize.fleet.lock import FleetLock, read_lock
from specialize.fleet.retention import TABLE_KIND, table_key
from specialize.fleet.storage import KIND, read_part
from specialize.fleet.vehicle import Vehicle, identify
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.store import Entry, Store, damages, open_store
from specialize.text.record import Record

State = Literal["fresh", "stale", "missing", "damaged", "unused"]
STATES: tuple[State, ...] = ("fresh", "stale", "missing", "damaged", "unused")

_REPAIR = "run `specialize store check --repair`, then `specialize fleet build`"


class VehicleState(Record, frozen=True, kw_only=True):
    """How one vehicle stands.

    Attributes:
        vehicle: Its name.
        state: `fresh`: its build is in the store and right for its profile. `stale`: its profile changed and its
            build does not serve the new one. `missing`: it is not in the lock, or its build is not in the store.
            `damaged`: its build or its tables in the store are not what was written. `unused`: it is in the lock, but
            its profile is gone.
        reason: Why, unless it is fresh and unchanged.
    """

    vehicle: str
    state: State
    reason: str


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
        vehicles: Sorted by name.
        failed: Profiles that cannot be used, and why.
    """

    folder: Path
    lock: Path
    ok: bool
    fresh: int
    stale: int
    missing: int
    damaged: int
    unused: int
    vehicles: tuple[VehicleState, ...]
    failed: tuple[Failed, ...]

    @property
    def exit_code(self) -> int:
        """3 if a vehicle is stale, else 1 if a build is damaged or a profile cannot be read."""
        return 3 if self.stale else 1 if self.failed or self.damaged else 0


def fleet_status(folder: Path, lock_file: Path, jobs: int | None = None) -> FleetStatus:
    """Compare a fleet's profiles with its lock and its store; reads no model, but compares every part with its digest.

    Raises:
        InputError: There is no lock, or no profile.
    """
    lock, store = read_lock(lock_file), open_store()
    states = _States(lock, store)
    names, found = UniqueNames(), []
    results = list(over_profiles(fleet_files(folder), _Identify(states.spec), jobs))
    for one in results:
        if not isinstance(one, Failed):
            names.add(one.vehicle, one.path)
            found.append(states.of(one))
    failed = tuple(one for one in results if isinstance(one, Failed))
    broken = {one.path.resolve() for one in failed}
    found += _unused(lock, {one.vehicle for one in found}, broken)
    counts = collections.Counter(one.state for one in found)
    return FleetStatus(
        folder=folder,
        lock=lock_file,
        ok=not (counts["stale"] or counts["damaged"] or failed),
        **{state: counts[state] for state in STATES},
        vehicles=tuple(sorted(found, key=lambda one: one.vehicle)),
        failed=failed,
    )


@dataclass(frozen=True, slots=True)
class _Identify:
    """Reads which vehicle a profile is of, and what is true of it today; runs in other processes."""

    spec: ModelSpec

    def __call__(self, path: Path, profile: CalibrationProfile) -> Vehicle:
        return identify(path, profile, self.spec)


def _unused(lock: FleetLock, present: set[str], broken: set[Path]) -> Iterable[VehicleState]:
    for name, one in lock.vehicles.items():
        if name not in present and one.path.resolve() not in broken:
            yield VehicleState(vehicle=name, state="unused", reason=f"{one.path} is gone")


class _States:
    """Finds the state of one vehicle after the other."""

    def __init__(self, lock: FleetLock, store: Store) -> None:
        self.lock = lock
        self.store = store
        self.spec = resolve_spec(lock.request.build.model, lock.request.build.model_spec)
        self.damaged: dict[str, str] = {}
        self.entries = {key: self._found(KIND, key) for key in lock.builds}
        self.known = {one.vehicle: (one, build) for build in lock.builds.values() for one in build.members}

    def of(self, today: Vehicle) -> VehicleState:
        """Return the state of a vehicle."""
        state, reason = self._judged(today)
        return VehicleState(vehicle=today.vehicle, state=state, reason=reason)

    def _judged(self, today: Vehicle) -> tuple[State, str]:
        """Return the state of a vehicle, and why."""
        if today.vehicle not in self.known:
            return "missing", "not in the lock: plan the fleet again"
        locked, build = self.known[today.vehicle]
        entry = self.entries[build.key]
        if build.key in self.damaged:
            return "damaged", self.damaged[build.key]
        if today.numbers != locked.numbers:
            return self._moved(today.path, build, entry)
        if entry is None:
            return "missing", "its build is not in the store"
        return self._tabled(locked, entry) if build.mode == "tables" else ("fresh", "")

    def _tabled(self, locked: Vehicle, entry: Entry) -> tuple[State, str]:
        """Return the state of a vehicle by its tables, which must be for its engine as it is now."""
        key = table_key(entry.key, locked)
        table = self._found(TABLE_KIND, key)
        if key in self.damaged:
            return "damaged", self.damaged[key]
        if table is None or table.info.get("build") != entry.info.get("manifest"):
            return "missing", "its tables are not in the store"
        return "fresh", ""

    def _found(self, kind: str, key: str) -> Entry | None:
        """Return an entry whose parts are what was written; what is damaged is kept in `damaged`, with the reason."""
        try:
            entry = self.store.find_entry(kind, key)
        except InputError as error:
            self.damaged[key] = f"{error.where}: expected {error.expected}, got {error.found}; {_REPAIR}"
            return None
        for damage in damages(self.store, entry.objects.values() if entry else ()):
            self.damaged[key] = f"{damage.where} is damaged; {_REPAIR}"
        return entry

    def _moved(self, path: Path, build: FleetBuild, entry: Entry | None) -> tuple[State, str]:
        """Return the state of a vehicle whose profile is not the one of the lock."""
        if entry is None:
            return "stale", "its profile is not the one of the lock"
        today = load_profile(path)
        moved = _what_moved(self._built_for(entry), today, named=build.mode == "exact")
        if moved:
            return "stale", moved
        if build.mode == "tables":
            return "stale", self._needs_tables(path, today, build)
        if self._inside(today, entry):
            return "fresh", "it moved inside its envelope"
        return "stale", "it sees queries outside its envelope"

    def _built_for(self, entry: Entry) -> CalibrationProfile:
        text = read_part(self.store, entry, PROFILE).decode()
        return parse_profile(parse_document(text, PROFILE), PROFILE)

    def _needs_tables(self, path: Path, today: CalibrationProfile, build: FleetBuild) -> str:
        """Return what a vehicle that moved needs, one that is served by tables."""
        reach = survey_of(self.lock.request, self.spec)(path, today).reach
        if reach.shape == np.shape(build.lengths) and (reach <= np.array(build.lengths)).all():
            return "its tables must be made again; they fit its build"
        return "it sees more queries than its build has room for"

    def _inside(self, today: CalibrationProfile, entry: Entry) -> bool:
        """Say whether a vehicle sees nothing outside of the envelope that its build was made for."""
        with work_folder(self.store.scratch(), "status") as folder:
            (folder / FILE_NAME).write_bytes(read_part(self.store, entry, FILE_NAME))
            return not any(pairs_outside(folder, visible_sets(self.spec, today)))


def _what_moved(built: CalibrationProfile, today: CalibrationProfile, named: bool) -> str:
    """Return that a vehicle has other cameras, or, where that alone makes a build stale, how far they moved."""
    delta = compare(built, today)
    if delta.added or delta.removed or delta.reordered:
        return "it has other cameras"
    if not named:
        return ""
    if delta.same:
        return "its lidar moved in the vehicle's frame"
    most = max(delta.cameras, key=lambda camera: (camera.rotation_mrad, camera.translation_mm))
    return f"{most.name} moved by {most.rotation_mrad:.1f} mrad and {most.translation_mm:.0f} mm"
