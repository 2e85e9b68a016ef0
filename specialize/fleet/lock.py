"""`fleet.lock`: which build serves which vehicle, as text that reads well in a diff.

    schema specialize/fleet-lock@1
    compiler 0.1.0
    request folder=. model=bevformer_tiny mode=auto ...
    build sha256:... tables for=car_01 pairs=2835 lengths=389,470,474,600,449,453
    vehicle car_01 car_01.yaml sha256:<profile> sha256:<plan> sha256:<calibration> sha256:<build>

One line per build, sorted by key, and per vehicle, sorted by name; blanks and other odd characters in names are
written as in URLs. A new vehicle, or a new calibration, is one changed line, and one more if its build changes.
Paths are relative to the lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.regular import read_regular
from specialize.fleet.planned import FleetPlan, FleetRequest, PlannedBuild
from specialize.request import MODES, Mode
from specialize.version import VERSION

SCHEMA = "specialize/fleet-lock@1"
NAME = "fleet.lock"

_SAFE = "!#$&'()*+,-./:;<>?@[]^_`{|}~"
_PATHS = ("folder", "model_spec", "checkpoint", "frames_dir")


@dataclass(frozen=True, slots=True)
class LockedBuild:
    """One build: its key, how it binds, whose profile it carries, and the rows it computes per grid and camera."""

    key: str
    mode: Mode
    made_from: str
    lengths: tuple[tuple[int, ...], ...]

    @property
    def pairs(self) -> int:
        """Rows that it computes."""
        return sum(map(sum, self.lengths))


@dataclass(frozen=True, slots=True)
class LockedVehicle:
    """One vehicle: its profile; digests of that, of its visible sets and of what its model is fed; its build's key."""

    vehicle: str
    path: Path
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
        builds: By key.
        vehicles: By name, sorted.
        compiler: Version that made the plan.
    """

    request: FleetRequest
    spec: str
    source: str
    builds: dict[str, LockedBuild]
    vehicles: dict[str, LockedVehicle]
    compiler: str = VERSION

    def served(self, key: str) -> tuple[LockedVehicle, ...]:
        """Return the vehicles of one build: the one whose profile it carries, then by their files."""
        first = self.builds[key].made_from
        return tuple(
            sorted(
                (one for one in self.vehicles.values() if one.build == key),
                key=lambda one: (one.vehicle != first, str(one.path)),
            )
        )


def lock_of(plan: FleetPlan) -> FleetLock:
    """Return a plan as a lock."""
    return FleetLock(
        request=plan.request,
        spec=plan.spec,
        source=plan.source,
        builds={
            build.key: LockedBuild(build.key, build.mode, build.made_from, build.lengths)
            for build in plan.builds
        },
        vehicles={vehicle.vehicle: vehicle for build in plan.builds for vehicle in _vehicles(build)},
    )


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
        raise InputError(str(path), "a fleet's lock", "nothing there", hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "a fleet's lock", str(error)) from error
    return parse_lock(text, path)


def lock_text(lock: FleetLock, folder: Path) -> str:
    """Return the text of a lock that will lie in a folder."""
    lines = [
        f"schema {SCHEMA}",
        f"compiler {lock.compiler}",
        f"request {_request_words(lock.request, folder)}",
        f"spec {lock.spec}",
        f"source {_quoted(lock.source)}",
    ]
    lines += [_build_line(lock.builds[key]) for key in sorted(lock.builds)]
    lines += [_vehicle_line(lock.vehicles[name], folder) for name in sorted(lock.vehicles)]
    return "\n".join(lines) + "\n"


def parse_lock(text: str, path: Path) -> FleetLock:
    """Parse the text of a lock at `path`.

    Raises:
        InputError: A line is not one of a lock's.
    """
    lines = [line.split(" ") for line in text.splitlines() if line]
    if lines[:1] != [["schema", SCHEMA]]:
        found = " ".join(lines[0])[:60] if lines else "an empty file"
        raise InputError(f"{path}: line 1", f"schema {SCHEMA}", repr(found), "plan the fleet again")
    try:
        once = {words[0]: words[1:] for words in lines if words[0] not in ("build", "vehicle")}
        builds = [_parse_build(words[1:]) for words in lines if words[0] == "build"]
        vehicles = [_parse_vehicle(words[1:], path.parent) for words in lines if words[0] == "vehicle"]
        lock = FleetLock(
            request=_parse_request(once["request"], path.parent),
            spec=once["spec"][0],
            source=unquote(once["source"][0]),
            builds={build.key: build for build in builds},
            vehicles={one.vehicle: one for one in sorted(vehicles, key=lambda one: one.vehicle)},
            compiler=once["compiler"][0],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            str(path), "a whole lock", f"{type(error).__name__}: {error}", "plan again"
        ) from error
    for one in lock.vehicles.values():
        if one.build not in lock.builds:
            raise InputError(f"{path}: {one.vehicle}", "a build of this lock", one.build, "plan again")
    return lock


def _vehicles(build: PlannedBuild) -> Iterable[LockedVehicle]:
    for one in build.members:
        yield LockedVehicle(one.vehicle, one.path, one.profile, one.plan, one.calibration, build.key)


def _build_line(build: LockedBuild) -> str:
    lengths = ";".join(",".join(map(str, row)) for row in build.lengths)
    return (
        f"build {build.key} {build.mode} for={_quoted(build.made_from)} pairs={build.pairs} lengths={lengths}"
    )


def _parse_build(words: list[str]) -> LockedBuild:
    key, mode, made_from, _, lengths = words
    if mode not in MODES:
        raise ValueError(mode)
    rows = lengths.removeprefix("lengths=").split(";") if lengths != "lengths=" else []
    first = unquote(made_from.removeprefix("for="))
    return LockedBuild(key, mode, first, tuple(tuple(int(n) for n in row.split(",")) for row in rows))  # type: ignore[arg-type]


def _vehicle_line(one: LockedVehicle, folder: Path) -> str:
    path = _quoted(_relative(one.path, folder))
    digests = f"{one.profile} {one.plan or '-'} {one.calibration} {one.build}"
    return f"vehicle {_quoted(one.vehicle)} {path} {digests}"


def _parse_vehicle(words: list[str], folder: Path) -> LockedVehicle:
    name, path, profile, plan, calibration, build = words
    plan = "" if plan == "-" else plan
    return LockedVehicle(unquote(name), folder / unquote(path), profile, plan, calibration, build)


def _request_words(request: FleetRequest, folder: Path) -> str:
    words = []
    for part in fields(FleetRequest):
        value = getattr(request, part.name)
        if part.name in _PATHS and value is not None:
            value = _relative(value, folder)
        elif part.name == "model" and value.endswith(".onnx"):
            value = _relative(Path(value), folder)
        elif part.name == "allow":
            if not value:
                continue  # rarely asked for: left out, so that locks stay as they are
            value = ",".join(value)
        words.append(f"{part.name}={'' if value is None else _quoted(str(value))}")
    return " ".join(words)


_LATER = ("attention", "precision", "frames_dir", "allow")
"""What older locks do not have: it was not asked for."""


def _parse_request(words: list[str], folder: Path) -> FleetRequest:
    given = {key: unquote(value) for key, _, value in (word.partition("=") for word in words)}
    values: dict[str, Any] = {}
    for part in fields(FleetRequest):
        if part.name in _LATER and part.name not in given:
            continue
        text = given[part.name]
        if part.name in _PATHS:
            values[part.name] = folder / text if text else None
        elif part.name == "model":
            values["model"] = str(folder / text) if text.endswith(".onnx") else text
        elif part.name == "allow":
            values["allow"] = tuple(text.split(","))
        else:
            values[part.name] = _KINDS.get(part.name, str)(text)
    return FleetRequest(**values)


_KINDS: dict[str, type] = {"max_overhead": float, "spare": float, "align": int, "seed": int, "frames": int}


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _quoted(text: str) -> str:
    return quote(text, safe=_SAFE)
