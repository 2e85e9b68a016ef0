"""`fleet.lock`: which build serves which vehicle, as JSON lines that read well in a diff.

    {"schema": "specialize/fleet-lock@2", "compiler": "0.1.0", "spec": "sha256:...", "source": "seed 0"}
    {"request": {"folder": ".", "model": "bevformer_tiny", "mode": "auto", ...}}
    {"build": "sha256:...", "mode": "tables", "made_from": "car_01", "pairs": 2835, "lengths": [[389, 470, ...]]}
    {"vehicle": "car_01", "path": "car_01.yaml", "profile": "sha256:...", ..., "build": "sha256:..."}

One line per build, sorted by key, and per vehicle, sorted by name. A new vehicle, or a new calibration, is one changed
line, and one more if its build changes. Paths are relative to the lock.

The lock of a fleet that is a table has its vehicles in a table as well (`lock_table`), and one line for them all:

    {"build": "sha256:...", ..., "vehicles": 350000}
    {"table": "fleet.lock-0123456789ab.parquet", "vehicles": 1000000, "digest": "sha256:..."}

A vehicle that is planned with cameras off as well is a further one, `car_01-without-CAM_BACK`, whose line says
`"without": ["CAM_BACK"]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.calibration.table import is_table
from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.far import is_far
from specialize.files.regular import read_regular
from specialize.fleet.builds import FleetBuild, FleetPlan, locked, served_in_order
from specialize.fleet.lock_lines import (
    AGAIN,
    SCHEMA,
    BuildLine,
    Head,
    Outline,
    TableLine,
    VehicleLine,
    parse_outline,
)
from specialize.fleet.lock_request import joined, options_of, relative
from specialize.fleet.lock_table import (
    read_columns,
    remove_tables,
    served_of,
    table_beside,
    vehicles_of,
    write_with_table,
)
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle
from specialize.version import VERSION

NAME = "fleet.lock"


def default_lock(fleet: Path) -> Path:
    """Return the lock file of a fleet: in its folder, or beside its table and named like it.

    That of a fleet behind a URL is in the current folder, because locks are kept where they are reviewed.
    """
    if is_far(fleet):
        return Path(f"{fleet.stem}.lock")
    return fleet.with_suffix(".lock") if is_table(fleet) else fleet / NAME


@dataclass(frozen=True, slots=True)
class FleetLock:
    """A plan as it was written down.

    Attributes:
        request: What was asked for.
        spec: Digest of what was known about the model.
        source: What named its weights.
        builds: By key; the vehicles of each begin with the one whose profile it carries, then follow by their files.
        compiler: Version that made the plan.
        tabled: Whether the vehicles are in a table beside the lock: whether the fleet is a table.
    """

    request: FleetRequest
    spec: str
    source: str
    builds: dict[str, FleetBuild]
    compiler: str = VERSION
    tabled: bool = False

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
    tabled = is_table(plan.request.folder)
    return FleetLock(plan.request, plan.spec, plan.source, builds, tabled=tabled)


def write_lock(lock: FleetLock, path: Path) -> None:
    """Write a lock, and its table if it has one; readers see the old ones or the new ones.

    Raises:
        SpecializeError: The place cannot be written.
        UsageError: It has a table, and pyarrow is not installed.
    """
    if lock.tabled:
        served = [lock.builds[key].members for key in sorted(lock.builds)]
        subsets = lock.request.subsets > 0
        write_with_table(
            served, path, lambda table: write_file(path, lock_text(lock, path.parent, table)), subsets
        )
    else:
        write_file(path, lock_text(lock, path.parent))
        remove_tables(path)


def lock_text(lock: FleetLock, folder: Path, table: TableLine | None = None) -> str:
    """Return the text of a lock that will lie in a folder, with its vehicles in a table if one is named."""
    return "".join(json.dumps(msgspec.to_builtins(line)) + "\n" for line in _lines(lock, folder, table))


def _lines(lock: FleetLock, folder: Path, table: TableLine | None) -> Iterator[object]:
    yield Head(SCHEMA, lock.compiler, lock.spec, lock.source)
    yield {"request": options_of(lock.request, folder)}
    for key in sorted(lock.builds):
        build = lock.builds[key]
        served = None if table is None else len(build.members)
        yield BuildLine(key, build.mode, build.made_from, build.pairs, build.lengths, served)
    if table is not None:
        yield table
        return
    homes = {one.vehicle: key for key, build in lock.builds.items() for one in build.members}
    for name, one in lock.vehicles.items():
        path = relative(one.path, folder)
        yield VehicleLine(name, path, one.profile, one.plan, one.calibration, homes[name], one.without)


def read_lock(path: Path) -> FleetLock:
    """Read a lock with all its vehicles.

    Raises:
        InputError: There is none, or it or its table was damaged or is of another version.
        UsageError: It has a table, and pyarrow is not installed.
    """
    outline, table = read_outline(path)
    return full_lock(outline, path, table)


def read_outline(path: Path) -> tuple[Outline, Path | None]:
    """Return a lock as its text says it, and where the table of its vehicles is, if it has one.

    Raises:
        InputError: There is none, or it was damaged, or its table is not the one that it names.
    """
    text = _text(path)
    while True:
        outline = parse_outline(text, path)
        try:
            return outline, _table_of(outline, path)
        except InputError:
            before, text = text, _text(path)
            if text == before:  # else it was written anew while it was read
                raise


def parse_lock(text: str, path: Path, table: Path | None = None) -> FleetLock:
    """Parse the text of a lock at `path`, of this version or of the one before.

    Args:
        text: The text.
        path: Where the lock is.
        table: Where its table is, if it has one that is not beside it.

    Raises:
        InputError: A line is not one of a lock's, two are of one vehicle, or one is missing.
    """
    outline = parse_outline(text, path)
    return full_lock(outline, path, _table_of(outline, path, table))


def _table_of(outline: Outline, path: Path, place: Path | None = None) -> Path | None:
    return None if outline.table is None else table_beside(outline.table, path, place)


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode()
    except FileNotFoundError as error:
        hint = "`specialize fleet plan FLEET --model MODEL` makes one; --lock names one that lies elsewhere"
        raise InputError(str(path), "a fleet's lock", "no such file", hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "a fleet's lock", str(error)) from error


def full_lock(outline: Outline, path: Path, table: Path | None) -> FleetLock:
    """Return a lock with the vehicles that its builds serve; see `each_vehicle`.

    Raises:
        InputError: A build serves no vehicle, or a vehicle has no build.
    """
    served: dict[str, Sequence[Vehicle]]
    if outline.table is not None and table is not None:
        lines = list(outline.builds.values())
        columns = read_columns(table, outline.table, lines, outline.request.subsets > 0)
        served = dict(zip(outline.builds, served_of(columns, lines, outline.request.folder), strict=True))
    else:
        listed: dict[str, list[Vehicle]] = {key: [] for key in outline.builds}
        for one, build in each_vehicle(outline, path, table):
            listed[build].append(one)
        served = {
            key: served_in_order(members, outline.builds[key].made_from) for key, members in listed.items()
        }
    if empty := [key for key, members in served.items() if not members]:
        raise InputError(f"{path}: build {empty[0]}", "a vehicle that it serves", "none", AGAIN)
    made = {key: build_of(line, served[key]) for key, line in outline.builds.items()}
    head = outline.head
    return FleetLock(outline.request, head.spec, head.source, made, head.compiler, tabled=table is not None)


def each_vehicle(outline: Outline, path: Path, table: Path | None) -> Iterator[tuple[Vehicle, str]]:
    """Yield the vehicles of a lock, with the keys of their builds.

    Args:
        outline: What the lock says.
        path: The lock.
        table: Where the table of its vehicles is, if it has one.

    Raises:
        InputError: A vehicle's build is none of the lock, or the table does not fit the lock.
    """
    if outline.table is not None and table is not None:
        keys = list(outline.builds)
        columns = read_columns(
            table, outline.table, list(outline.builds.values()), outline.request.subsets > 0
        )
        for vehicle, number in vehicles_of(columns, outline.request.folder):
            yield vehicle, keys[number]
    for line in outline.vehicles.values():
        if line.build not in outline.builds:
            raise InputError(f"{path}: {line.vehicle}", "a build of this lock", line.build, AGAIN)
        yield _vehicle(line, path.parent), line.build


def build_of(line: BuildLine, members: Sequence[Vehicle] = ()) -> FleetBuild:
    """Return the build of a line, which serves these vehicles, the one whose profile it carries first."""
    return FleetBuild(
        key=line.build, mode=line.mode, made_from=line.made_from, members=members, lengths=line.lengths
    )


def _vehicle(line: VehicleLine, folder: Path) -> Vehicle:
    return Vehicle(
        vehicle=line.vehicle, path=joined(folder, line.path), profile=line.profile, plan=line.plan,
        calibration=line.calibration, without=line.without,
    )  # fmt: skip
