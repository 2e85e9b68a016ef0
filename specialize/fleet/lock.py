"""`fleet.lock`: which build serves which vehicle, as JSON lines that read well in a diff.

    {"schema": "specialize/fleet-lock@2", "compiler": "0.1.0", "spec": "sha256:...", "source": "seed 0"}
    {"request": {"folder": ".", "model": "bevformer_tiny", "mode": "auto", ...}}
    {"build": "sha256:...", "mode": "tables", "made_from": "car_01", "pairs": 2835, "lengths": [[389, 470, ...]]}
    {"vehicle": "car_01", "path": "car_01.yaml", "profile": "sha256:...", ..., "build": "sha256:..."}

One line per build, sorted by key, and per vehicle, sorted by name. A new vehicle, or a new calibration, is one changed
line, and one more if its build changes. Paths are relative to the lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from specialize.calibration.table import is_table
from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.regular import read_regular
from specialize.fleet.builds import FleetBuild, FleetPlan, locked
from specialize.fleet.lock_request import options_of, relative, request_of
from specialize.fleet.lock_words import SCHEMA as FIRST_SCHEMA
from specialize.fleet.lock_words import lines_of_words
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle
from specialize.request import Mode
from specialize.version import VERSION

SCHEMA = "specialize/fleet-lock@2"
NAME = "fleet.lock"


def default_lock(fleet: Path) -> Path:
    """Return the lock file of a fleet: in its folder, or beside its table and named like it."""
    return fleet.with_suffix(".lock") if is_table(fleet) else fleet / NAME


_AGAIN = "plan the fleet again"

Line = dict[str, Any]
Kind = TypeVar("Kind")


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: what is true of the whole lock."""

    schema: str
    compiler: str
    spec: str
    source: str


class _Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line of a build."""

    build: str
    mode: Mode
    made_from: str
    pairs: int
    lengths: tuple[tuple[int, ...], ...]


class _Vehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line of a vehicle."""

    vehicle: str
    path: str
    profile: str
    plan: str
    calibration: str
    build: str


@dataclass(frozen=True, slots=True)
class FleetLock:
    """A plan as it was written down.

    Attributes:
        request: What was asked for.
        spec: Digest of what was known about the model.
        source: What named its weights.
        builds: By key; the vehicles of each begin with the one whose profile it carries, then follow by their files.
        compiler: Version that made the plan.
    """

    request: FleetRequest
    spec: str
    source: str
    builds: dict[str, FleetBuild]
    compiler: str = VERSION

    @property
    def vehicles(self) -> dict[str, Vehicle]:
        """The vehicles by name, sorted."""
        served = [one for build in self.builds.values() for one in build.members]
        return {one.vehicle: one for one in sorted(served, key=lambda one: one.vehicle)}

    def in_order(self) -> list[FleetBuild]:
        """Return the builds in the order of the first names among the vehicles that they serve."""
        return sorted(self.builds.values(), key=lambda one: (min(one.vehicles), one.key))


def lock_of(plan: FleetPlan) -> FleetLock:
    """Return a plan as a lock."""
    builds = {build.key: locked(build) for build in plan.builds}
    return FleetLock(request=plan.request, spec=plan.spec, source=plan.source, builds=builds)


def write_lock(lock: FleetLock, path: Path) -> None:
    """Write a lock; readers see the old one or the new one.

    Raises:
        SpecializeError: The place cannot be written.
    """
    write_file(path, lock_text(lock, path.parent))


def read_lock(path: Path) -> FleetLock:
    """Read a lock.

    Raises:
        InputError: There is none, or it was damaged or is of another version.
    """
    try:
        text = read_regular(path).decode()
    except FileNotFoundError as error:
        hint = "make one: specialize fleet plan DIR --model MODEL"
        raise InputError(str(path), "a fleet's lock", "no such file", hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "a fleet's lock", str(error)) from error
    return parse_lock(text, path)


def lock_text(lock: FleetLock, folder: Path) -> str:
    """Return the text of a lock that will lie in a folder."""
    return "".join(json.dumps(msgspec.to_builtins(line)) + "\n" for line in _lines(lock, folder))


def _lines(lock: FleetLock, folder: Path) -> Iterator[object]:
    yield _Head(SCHEMA, lock.compiler, lock.spec, lock.source)
    yield {"request": options_of(lock.request, folder)}
    for key in sorted(lock.builds):
        build = lock.builds[key]
        yield _Build(key, build.mode, build.made_from, build.pairs, build.lengths)
    homes = {one.vehicle: key for key, build in lock.builds.items() for one in build.members}
    for name, one in lock.vehicles.items():
        path = relative(one.path, folder)
        yield _Vehicle(name, path, one.profile, one.plan, one.calibration, homes[name])


def parse_lock(text: str, path: Path) -> FleetLock:
    """Parse the text of a lock at `path`, of this version or of the one before.

    Raises:
        InputError: A line is not one of a lock's, two are of one vehicle, or one is missing.
    """
    lines = enumerate(text.split("\n"), start=1)
    numbered = [(f"{path}: line {number}", line.rstrip("\r")) for number, line in lines if line.strip()]
    first = numbered[0][1] if numbered else "an empty file"
    if first == f"schema {FIRST_SCHEMA}":
        return _lock(list(lines_of_words(numbered, SCHEMA)), path)
    if numbered and SCHEMA in first:
        return _lock([(where, _parsed(line, where)) for where, line in numbered], path)
    raise InputError(f"{path}: line 1", f"schema {SCHEMA}", repr(first[:60]), _AGAIN)


def _lock(lines: list[tuple[str, Line]], path: Path) -> FleetLock:
    """Return the lock of lines, each with its place in the file."""
    head = _typed(lines[0][1], _Head, lines[0][0])
    request: FleetRequest | None = None
    builds: dict[str, _Build] = {}
    vehicles: dict[str, _Vehicle] = {}
    for where, line in lines[1:]:
        if "vehicle" in line:
            _add(vehicles, _typed(line, _Vehicle, where), line["vehicle"], where)
        elif "build" in line:
            _add(builds, _typed(line, _Build, where), line["build"], where)
        elif "request" in line:
            request = request_of(line["request"], path.parent, where)
        else:
            raise InputError(where, "a request, a build or a vehicle", ", ".join(line)[:60], _AGAIN)
    if request is None:
        raise InputError(str(path), "a line with the request", "none", _AGAIN)
    served: dict[str, list[Vehicle]] = {key: [] for key in builds}
    for one in vehicles.values():
        if one.build not in served:
            raise InputError(f"{path}: {one.vehicle}", "a build of this lock", one.build, _AGAIN)
        served[one.build].append(_vehicle(one, path.parent))
    if empty := [key for key, members in served.items() if not members]:
        raise InputError(f"{path}: build {empty[0]}", "a vehicle that it serves", "none", _AGAIN)
    made = {key: _build(build, served[key]) for key, build in builds.items()}
    return FleetLock(request, head.spec, head.source, made, head.compiler)


def _add(known: dict[str, Kind], one: Kind, name: str, where: str) -> None:
    """Keep a line by its name.

    Raises:
        InputError: There is one of that name already.
    """
    if name in known:
        raise InputError(where, "one line for each build and vehicle", f"a second one for {name}", _AGAIN)
    known[name] = one


def _build(line: _Build, members: list[Vehicle]) -> FleetBuild:
    build = FleetBuild(
        key=line.build, mode=line.mode, made_from=line.made_from, members=tuple(members), lengths=line.lengths
    )
    return locked(build)


def _vehicle(line: _Vehicle, folder: Path) -> Vehicle:
    return Vehicle(
        vehicle=line.vehicle, path=folder / line.path, profile=line.profile, plan=line.plan,
        calibration=line.calibration,
    )  # fmt: skip


def _parsed(text: str, where: str) -> Line:
    """Return one line as an object.

    Raises:
        InputError: It is none.
    """
    try:
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(where, "a line of a lock", str(error), _AGAIN) from error


def _typed(line: Line, kind: type[Kind], where: str) -> Kind:
    """Return one line as a record.

    Raises:
        InputError: It has other keys, or values of other types.
    """
    try:
        return msgspec.convert(line, kind)
    except msgspec.ValidationError as error:
        raise InputError(where, "a line of a lock", str(error), _AGAIN) from error
