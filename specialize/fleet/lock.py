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
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.regular import read_regular
from specialize.fleet.builds import FleetBuild, FleetPlan, locked
from specialize.fleet.request import FleetRequest
from specialize.fleet.vehicle import Vehicle
from specialize.request import MODES, BuildOptions
from specialize.version import VERSION

SCHEMA = "specialize/fleet-lock@1"
NAME = "fleet.lock"

_SAFE = "!#$&'()*+,-./:;<>?@[]^_`{|}~"
_OWN = tuple(part for part in fields(FleetRequest) if part.name != "build")
_OPTIONS = (*fields(BuildOptions), *_OWN)
_PATHS = ("folder", "model_spec", "checkpoint", "frames_dir")


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
        return sorted(self.builds.values(), key=lambda one: (min(one.vehicles, default=""), one.key))


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
    homes = {one.vehicle: build.key for build in lock.builds.values() for one in build.members}
    lines += [_vehicle_line(one, homes[name], folder) for name, one in lock.vehicles.items()]
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
        vehicles = [_parse_vehicle(words[1:], path.parent) for words in lines if words[0] == "vehicle"]
        served: dict[str, list[Vehicle]] = {}
        for one, key in vehicles:
            served.setdefault(key, []).append(one)
        builds = [_parse_build(words[1:], served) for words in lines if words[0] == "build"]
        lock = FleetLock(
            request=_parse_request(once["request"], path.parent),
            spec=once["spec"][0],
            source=unquote(once["source"][0]),
            builds={build.key: build for build in builds},
            compiler=once["compiler"][0],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            str(path), "a whole lock", f"{type(error).__name__}: {error}", "plan again"
        ) from error
    for one, key in vehicles:
        if key not in lock.builds:
            raise InputError(f"{path}: {one.vehicle}", "a build of this lock", key, "plan again")
    return lock


def _build_line(build: FleetBuild) -> str:
    lengths = ";".join(",".join(map(str, row)) for row in build.lengths)
    return (
        f"build {build.key} {build.mode} for={_quoted(build.made_from)} pairs={build.pairs} lengths={lengths}"
    )


def _parse_build(words: list[str], served: dict[str, list[Vehicle]]) -> FleetBuild:
    key, mode, made_from, _, lengths = words
    if mode not in MODES:
        raise ValueError(mode)
    rows = lengths.removeprefix("lengths=").split(";") if lengths != "lengths=" else []
    return locked(FleetBuild(
        key=key, mode=mode, made_from=unquote(made_from.removeprefix("for=")), members=tuple(served.get(key, ())),  # type: ignore[arg-type]
        lengths=tuple(tuple(int(n) for n in row.split(",")) for row in rows),
    ))  # fmt: skip


def _vehicle_line(one: Vehicle, build: str, folder: Path) -> str:
    path = _quoted(_relative(one.path, folder))
    digests = f"{one.profile} {one.plan or '-'} {one.calibration} {build}"
    return f"vehicle {_quoted(one.vehicle)} {path} {digests}"


def _parse_vehicle(words: list[str], folder: Path) -> tuple[Vehicle, str]:
    name, path, profile, plan, calibration, build = words
    plan = "" if plan == "-" else plan
    return Vehicle(
        vehicle=unquote(name), path=folder / unquote(path), profile=profile, plan=plan, calibration=calibration
    ), build  # fmt: skip


def _request_words(request: FleetRequest, folder: Path) -> str:
    words = []
    for part in _OPTIONS:
        value = getattr(request if part in _OWN else request.build, part.name)
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
    for part in _OPTIONS:
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
    return FleetRequest.of(**values)


_KINDS: dict[str, type] = {"max_overhead": float, "spare": float, "align": int, "seed": int, "frames": int}


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _quoted(text: str) -> str:
    return quote(text, safe=_SAFE)
