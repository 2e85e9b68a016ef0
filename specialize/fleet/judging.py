"""How one vehicle stands: whether its build in the store is right for its profile of today, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from specialize.artifact.build import PROFILE
from specialize.binding.envelope_file import FILE_NAME, pairs_outside
from specialize.calibration.delta import compare
from specialize.calibration.document import parse_document
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.off import without
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from specialize.files.scratch import work_folder
from specialize.fleet.builds import FleetBuild
from specialize.fleet.grouping import survey_of
from specialize.fleet.request import FleetRequest
from specialize.fleet.retention import TABLE_KIND, table_key
from specialize.fleet.storage import KIND
from specialize.fleet.vehicle import Vehicle
from specialize.model.visible import visible_sets
from specialize.store import Entry, Store, damages
from specialize.store.parts import read_part
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


class BuildState(Record, frozen=True, kw_only=True):
    """A build that is not as it should be in the store.

    Attributes:
        build: Its key.
        state: `missing` or `damaged`.
        vehicles: How many vehicles that are what they were in the lock it leaves without a build.
        reason: Why.
    """

    build: str
    state: State
    vehicles: int
    reason: str


NOT_LOCKED: tuple[State, str] = ("missing", "not in the lock: plan the fleet again")
OTHER_CAMERAS: tuple[State, str] = ("stale", "it has other cameras")


class Judge:
    """Finds the state of one vehicle after the other.

    Attributes:
        spec: What is known about the model.
    """

    def __init__(self, request: FleetRequest, builds: Mapping[str, FleetBuild], store: Store) -> None:
        self.request = request
        self.builds = builds
        self.store = store
        self.spec = resolve_spec(request.build.model, request.build.model_spec)
        self._damaged: dict[str, str] = {}
        self._entries = {key: self._found(KIND, key) for key in builds}

    def of(self, today: Vehicle, locked: Vehicle, key: str) -> tuple[State, str]:
        """Return the state of a vehicle, and why; `locked` is what the lock says of it, `key` names its build."""
        state, reason = self.of_build(key)
        if state == "damaged":
            return state, reason
        if today.numbers != locked.numbers:
            return self.moved(today.path, key, today.without)
        entry = self._entries[key]
        if entry is not None and self.builds[key].mode == "tables":
            return self._tabled(locked, entry)
        return state, reason

    def of_build(self, key: str) -> tuple[State, str]:
        """Return the state of the vehicles of a build that are what they were."""
        if key in self._damaged:
            return "damaged", self._damaged[key]
        return ("fresh", "") if self._entries[key] else ("missing", "its build is not in the store")

    def build_state(self, key: str, vehicles: int) -> BuildState:
        """Return what `of_build` says of a build, with how many vehicles that concerns."""
        state, reason = self.of_build(key)
        return BuildState(build=key, state=state, vehicles=vehicles, reason=reason)

    def _tabled(self, locked: Vehicle, entry: Entry) -> tuple[State, str]:
        """Return the state of a vehicle by its tables, which must be for its engine as it is now."""
        key = table_key(entry.key, locked)
        table = self._found(TABLE_KIND, key)
        if key in self._damaged:
            return "damaged", self._damaged[key]
        if table is None or table.info.get("build") != entry.info.get("manifest"):
            return "missing", "its tables are not in the store"
        return "fresh", ""

    def _found(self, kind: str, key: str) -> Entry | None:
        """Return an entry whose parts are what was written; what is damaged is kept in `damaged`, with the reason."""
        try:
            entry = self.store.find_entry(kind, key)
        except InputError as error:
            self._damaged[key] = f"{error.where}: expected {error.expected}, got {error.found}; {_REPAIR}"
            return None
        for damage in damages(self.store, entry.objects.values() if entry else ()):
            self._damaged[key] = f"{damage.where} is damaged; {_REPAIR}"
        return entry

    def moved(self, path: Path, key: str, missing: tuple[str, ...] = ()) -> tuple[State, str]:
        """Return the state of a vehicle whose profile is not the one of the lock; `missing` cameras are off."""
        build, entry = self.builds[key], self._entries[key]
        if entry is None:
            return "stale", "its profile is not the one of the lock"
        whole = load_profile(path)
        if not set(missing) < set(whole.camera_names()):
            return OTHER_CAMERAS
        today = without(whole, missing)
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
        reach = survey_of(self.request, self.spec)(path, today).reach
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
        return OTHER_CAMERAS[1]
    if not named:
        return ""
    if delta.same:
        return "its lidar moved in the vehicle's frame"
    most = max(delta.cameras, key=lambda camera: (camera.rotation_mrad, camera.translation_mm))
    return f"{most.name} moved by {most.rotation_mrad:.1f} mrad and {most.translation_mm:.0f} mm"
