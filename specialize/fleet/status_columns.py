"""The state of a fleet that is a table: digests compared as columns, profiles read only where they differ.

Names and digests are held for all vehicles, and compared in 270 bytes each; all else streams by in groups of rows.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import Bytes, Digests, bytes_of, place_of, read_digests
from specialize.compiler.key import calibration_name
from specialize.errors import InputError
from specialize.files.tables import arrow, arrow_compute
from specialize.fleet.judging import NOT_LOCKED, BuildState, Judge, State, VehicleState
from specialize.fleet.load import Failed, over_paths, over_profiles
from specialize.fleet.lock_lines import Outline
from specialize.fleet.lock_table import read_columns
from specialize.fleet.status_rigs import DigestsWithout, Rigs
from specialize.fleet.verified_rows import Looking, Verified, verified_rows
from specialize.model.spec import ModelSpec

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]
Result = TypeVar("Result")


@dataclass(slots=True)
class Compared:
    """What became of the vehicles of a table.

    Attributes:
        counts: Vehicles by state.
        told: The first of those with a reason.
        failed: The first of the rows that cannot be read, and why.
        unreadable: How many of those there are.
        builds: Builds that are missing or damaged.
        verified: Rows whose digests were computed anew.
    """

    counts: collections.Counter[State] = field(default_factory=collections.Counter)
    told: list[VehicleState] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    unreadable: int = 0
    builds: list[BuildState] = field(default_factory=list)
    verified: int = 0


def compare_columns(fleet: Path, table: Path, outline: Outline, judge: Judge, look: Looking) -> Compared:
    """Return how the vehicles of a table stand.

    Args:
        fleet: The table of their profiles.
        table: The vehicles of the lock.
        outline: The lock.
        judge: Knows the builds in the store.
        look: How closely.

    Raises:
        InputError: One of the tables cannot be read, or two vehicles have one name.
    """
    today = read_digests(fleet)
    assert outline.table is not None
    unused = ("plan",) if judge.spec.fed_the_frame else ("plan", "calibration")
    subsets = outline.request.subsets > 0
    locked = read_columns(table, outline.table, list(outline.builds.values()), subsets, unused)
    wrong = verified_rows(fleet, look)
    right = _right(today, wrong)
    found = Compared(verified=wrong.verified)
    rigs = Rigs.of(locked)
    return _Comparison(fleet, right, rigs.whole, list(outline.builds), judge, look, rigs, found).result()


def _right(today: Digests, wrong: Verified) -> Digests:
    """Return the rows of a table without those that are not what they state."""
    if not wrong.failed:
        return today
    compute, names = arrow_compute(), arrow().array(wrong.names, arrow().string())
    kept = compute.invert(compute.is_in(today.names, value_set=names)).to_numpy(zero_copy_only=False)
    readable = compute.is_in(names, value_set=today.names).to_pylist()  # the others are told of already
    told = tuple((one.path, one.reason, 1) for one, new in zip(wrong.failed, readable, strict=True) if new)
    return Digests(today.names.filter(kept), today.digests[kept], today.unreadable + told)


@dataclass(slots=True)
class _Comparison:
    """Two tables beside each other, and what was found; a row is a vehicle of today, or its rig with cameras off."""

    fleet: Path
    today: Digests
    locked: Any
    keys: list[str]
    judge: Judge
    look: Looking
    rigs: Rigs
    found: Compared
    _rig_of: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    """Which of the rigs the rows after those of today are."""

    def result(self) -> Compared:
        """Return what became of every vehicle."""
        compute, names = arrow_compute(), self.today.names
        _require_unique(self.fleet, names)
        self._add_unreadable(self.today.unreadable)
        place = compute.index_in(names, value_set=self.locked.column("vehicle"))
        new: Mask = place.is_null().to_numpy(zero_copy_only=False)
        self._add(*NOT_LOCKED, np.flatnonzero(new))
        at: Indices = place.fill_null(0).to_numpy(zero_copy_only=False)
        builds = self.locked.column("build").to_numpy()[at]
        moved = self._differ(self.today.digests, "profile", at) | self._fed_otherwise(at, ~new)
        home = compute.index_in(arrow().array(self.rigs.vehicles, arrow().string()), value_set=names)
        self._rig_of = np.flatnonzero(home.is_valid().to_numpy(zero_copy_only=False))
        homes: Indices = home.drop_null().to_numpy().astype(np.int64)
        builds = np.concatenate([np.where(new, -1, builds), self.rigs.builds[self._rig_of]])
        moved = np.concatenate([moved, moved[homes] | new[homes]])
        self._require_moved(moved)
        for number, key in enumerate(self.keys):
            self._add_build(key, builds == number, moved)
        gone = compute.invert(compute.is_in(self.locked.column("vehicle"), value_set=names))
        self._add_unused(self.locked.column("vehicle").filter(gone))
        self._add_unused(arrow().array(self._gone_rigs(), arrow().string()))
        return self.found

    def _differ(self, digests: Bytes, column: str, at: Indices) -> Mask:
        """Return where digests are not those in a column of the lock."""
        differ: Mask = (digests != bytes_of(self.locked.column(column))[at]).any(axis=1)
        return differ

    def _fed_otherwise(self, at: Indices, known: Mask) -> Mask:
        """Return where the model is fed other numbers although the profile's digest agrees.

        That digest leaves out the vehicle's frame. Only for a model that is fed it, every profile is read.
        """
        if not known.any() or not self.judge.spec.fed_the_frame:
            return np.zeros(len(known), np.bool_)
        paths = [self._path(row) for row in range(len(known))]
        digests = np.zeros((len(known), 32), np.uint8)
        for row, one in enumerate(
            over_profiles(paths, _Calibration(self.judge.spec), self.look.jobs, self.look.executor)
        ):
            if not isinstance(one, Failed):
                digests[row] = np.frombuffer(one, np.uint8)
        return self._differ(digests, "calibration", at)

    def _require_moved(self, moved: Mask) -> None:
        """Unmark rigs of vehicles that moved if they did not: if only what is off in them did."""
        first = len(self.today.names)
        rows = first + np.flatnonzero(moved[first:])
        for row, one in self._each(rows, lambda missing: DigestsWithout(self.judge.spec, missing)):
            if not isinstance(one, Failed):
                locked = self.rigs.digests[self._rig_of[row - first]]
                moved[row] = locked.tobytes() != one[: locked.size]

    def _each(
        self, rows: Indices, work: Callable[[tuple[str, ...]], Callable[[Path], Result]]
    ) -> Iterator[tuple[int, Result | Failed]]:
        """Yield some rows, and what is made of the profile of each by the work for the cameras that are off in it."""
        off = [self._missing(row) for row in rows]
        for missing in dict.fromkeys(off):
            same = [int(row) for row, one in zip(rows, off, strict=True) if one == missing]
            paths = [self._path(row) for row in same]
            yield from zip(
                same, over_paths(paths, work(missing), self.look.jobs, self.look.executor), strict=True
            )

    def _add_build(self, key: str, mine: Mask, moved: Mask) -> None:
        """Count the vehicles of one build."""
        state, _ = self.judge.of_build(key)
        if state != "damaged":
            self._add_moved(key, np.flatnonzero(mine & moved))
            mine = mine & ~moved
        count = int(mine.sum())
        self.found.counts[state] += count
        if state != "fresh":
            self.found.builds.append(self.judge.build_state(key, count))

    def _add_moved(self, key: str, rows: Indices) -> None:
        """Count the vehicles of a build that moved; only envelopes forgive, so that only they need every profile."""
        every = self.judge.builds[key].mode == "envelope" and self.judge.of_build(key)[0] == "fresh"
        looked_at = rows if every else rows[: self._room()]
        self.found.counts["stale"] += len(rows) - len(looked_at)
        if not len(looked_at):
            return
        for row, one in self._each(looked_at, lambda missing: _Moved(self.judge, key, missing)):
            if isinstance(one, Failed):
                self._add_unreadable([(one.path, one.reason, 1)])
            else:
                self._add(*one, np.array([row]))

    def _add(self, state: State, reason: str, rows: Indices) -> None:
        """Count vehicles of today in one state, and name the first of them if there is a reason."""
        self.found.counts[state] += len(rows)
        for row in rows[: self._room()] if reason else ():
            name = self._name(row)
            self.found.told.append(VehicleState(vehicle=name, state=state, reason=reason))

    def _add_unused(self, names: Any) -> None:
        """Count vehicles of the lock that no readable row is of."""
        self.found.counts["unused"] += len(names)
        whole = dict(zip(self.rigs.names, self.rigs.vehicles, strict=True))
        for name in names.slice(0, self._room()).to_pylist():
            gone = f"{place_of(self.fleet, whole.get(name, name))} is gone"
            reason = "no row that can be read is of it" if self.today.unreadable else gone
            self.found.told.append(VehicleState(vehicle=name, state="unused", reason=reason))

    def _add_unreadable(self, rows: Sequence[tuple[Path, str, int]]) -> None:
        self.found.unreadable += sum(count for _, _, count in rows)
        room = max(0, self.look.listed - len(self.found.failed))
        self.found.failed += [Failed(path, reason) for path, reason, _ in rows[:room]]

    def _room(self) -> int:
        return max(0, self.look.listed - len(self.found.told))

    def _path(self, row: int) -> Path:
        rig = self._rig(row)
        name = self.today.names[int(row)].as_py() if rig is None else self.rigs.vehicles[rig]
        return place_of(self.fleet, name)

    def _name(self, row: int) -> str:
        rig = self._rig(row)
        return str(self.today.names[int(row)].as_py()) if rig is None else self.rigs.names[rig]

    def _missing(self, row: int) -> tuple[str, ...]:
        rig = self._rig(row)
        return () if rig is None else self.rigs.missing[rig]

    def _rig(self, row: int) -> int | None:
        """Return which rig with cameras off a row is; None if it is a vehicle of today."""
        further = int(row) - len(self.today.names)
        return None if further < 0 else int(self._rig_of[further])

    def _gone_rigs(self) -> list[str]:
        present = set(self._rig_of.tolist())
        return [name for rig, name in enumerate(self.rigs.names) if rig not in present]


@dataclass(frozen=True, slots=True)
class _Calibration:
    """Computes the digest of what a model is fed; runs in other processes."""

    spec: ModelSpec

    def __call__(self, path: Path, profile: CalibrationProfile) -> bytes:
        return bytes.fromhex(calibration_name(profile, self.spec).calibration.removeprefix("sha256:"))


@dataclass(frozen=True, slots=True)
class _Moved:
    """Judges a vehicle that moved; runs in other processes."""

    judge: Judge
    key: str
    missing: tuple[str, ...]

    def __call__(self, path: Path) -> tuple[State, str]:
        return self.judge.moved(path, self.key, self.missing)


def _require_unique(fleet: Path, names: Any) -> None:
    compute = arrow_compute()
    if compute.count_distinct(names).as_py() != len(names):
        counts = compute.value_counts(names)
        several = counts.filter(compute.greater(counts.field("counts"), 1))[0]["values"].as_py()
        hint = "give every vehicle of a fleet its own name"
        raise InputError(f"{fleet}: vehicle", "one row for each vehicle", f"several for {several!r}", hint)
