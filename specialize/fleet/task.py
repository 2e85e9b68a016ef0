"""One build of a fleet as a value that any machine can carry out, and how it is carried out.

A task holds the text of its profiles, not their paths: a worker elsewhere needs the store, the package, and for a
model of one's own its file. What is in the store already is not made again, so an interrupted fleet goes on where it
was, and two of them at once make everything once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specialize.artifact import Build, BuildKey
from specialize.calibration.document import parse_document
from specialize.calibration.load import parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.build import build, build_key
from specialize.compiler.generic import generic_model
from specialize.errors import SpecializeError
from specialize.files.scratch import work_folder
from specialize.fleet.parts import KIND, put_parts
from specialize.fleet.planned import OWN_TOLERANCE, FleetRequest
from specialize.request import BuildOptions, BuildRequest, Mode
from specialize.store import Entry, Store, is_intact, open_store
from specialize.store.location import VARIABLE


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle of a task: its name, the text of its profile, and the digest of what the model is fed."""

    vehicle: str
    profile: str
    calibration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One build.

    Attributes:
        key: Its name in the store.
        mode: How calibration is bound.
        cars: The vehicles that it serves; the first gives it its name.
        lengths: Per grid, rows per camera that the plan promised.
        request: The options of the fleet; its paths are absolute.
        store: Folder or URL of the store.
    """

    key: str
    mode: Mode
    cars: tuple[Car, ...]
    lengths: tuple[tuple[int, ...], ...]
    request: FleetRequest
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a task.

    Attributes:
        key: The task's.
        status: `built`, `reused` or `failed`.
        reason: Why it failed; empty otherwise.
        exit_code: What the failure is worth to a command line; 0 otherwise.
        seconds: Wall time.
    """

    key: str
    status: str
    reason: str = ""
    exit_code: int = 0
    seconds: float = 0.0


def carry_out(task: Task) -> Done:
    """Make a build unless the store has it; a failure is a result, not an exception."""
    start = time.perf_counter()
    try:
        with opened(task.store) as store:
            made = _make(task, store)
    except SpecializeError as error:
        return _failed(task, str(error), error.exit_code, start)
    except Exception as error:
        reason = "".join(traceback.format_exception_only(error)).strip()
        return _failed(task, f"a bug in specialize: {reason}", 70, start)
    status = "built" if made else "reused"
    return Done(key=task.key, status=status, seconds=time.perf_counter() - start)


def _failed(task: Task, reason: str, exit_code: int, start: float) -> Done:
    seconds = time.perf_counter() - start
    return Done(key=task.key, status="failed", reason=reason, exit_code=exit_code, seconds=seconds)


def _make(task: Task, store: Store) -> bool:
    """Put the build into the store; return whether there was something to do."""
    with (
        store.making(KIND, task.key),
        work_folder(store.scratch(), "fleet") as folder,
    ):
        request = _request(task, folder)
        generic = generic_model(request, store, _quiet)
        first = profile_of(task.cars[0])
        key = _identity(task, build_key(request, first, generic))
        entry = store.find_entry(KIND, task.key)
        if entry is not None and entry.info.get("build") == key and is_intact(store, entry):
            return False
        made = Build.open(build(request).build_dir)
        objects = put_parts(store, made.folder)
        title = f"{made.manifest.model} {task.mode} for {_title(task)}"
        info = {
            "build": key,
            "manifest": made.manifest.digests.build,
            "mode": task.mode,
            "vehicles": len(task.cars),
            "vehicle": first.vehicle,
        }
        store.write_entry(Entry(kind=KIND, key=task.key, title=title, objects=objects, info=info))
    return True


def _identity(task: Task, key: BuildKey) -> str:
    """Return what a build in the store must agree in to be the one of the task.

    An engine with tables is the same whichever vehicle it was made with.
    """
    return (key.of_any_vehicle() if task.mode == "tables" else key).digest()


def _request(task: Task, folder: Path) -> BuildRequest:
    """Write the profiles that the compiler reads and return what it is asked for."""
    fleet = task.request
    cars = task.cars if task.mode == "envelope" else task.cars[:1]
    paths = [folder / f"profile-{number:06}.yaml" for number in range(len(cars))]
    for path, car in zip(paths, cars, strict=True):
        path.write_text(car.profile, encoding="utf-8")
    common = {part.name: getattr(fleet, part.name) for part in dataclasses.fields(BuildOptions)}
    return BuildRequest(
        **common,
        calib=paths[0],
        mode=task.mode,
        output=folder / "build",
        tolerance=_tolerance(fleet) if task.mode == "envelope" else None,
        envelope_over=tuple(paths[1:]),
        capacity=capacity_text(task.lengths) if task.mode == "tables" else None,
    )


def _tolerance(fleet: FleetRequest) -> str | None:
    """Return the tolerance as a build takes it: None for each profile's own, zero for today's calibrations alone."""
    return None if fleet.tolerance == OWN_TOLERANCE else fleet.tolerance or "rotation=0deg"


def capacity_text(lengths: tuple[tuple[int, ...], ...]) -> str:
    """Return capacities as a build takes them: one number per camera, the largest over the grids."""
    return ",".join(str(max(numbers)) for numbers in zip(*lengths, strict=True))


def profile_of(car: Car) -> CalibrationProfile:
    """Return the profile of a vehicle."""
    return parse_profile(parse_document(car.profile, car.vehicle), car.vehicle)


def _title(task: Task) -> str:
    return task.cars[0].vehicle + (f" and {len(task.cars) - 1} more" if len(task.cars) > 1 else "")


@contextlib.contextmanager
def opened(place: str) -> Iterator[Store]:
    """Yield the store, which is the one that the compiler finds as well while the block lasts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = place
    try:
        yield open_store(place)
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _quiet(line: str) -> None:
    """Say nothing: the fleet's own progress speaks."""
