"""The profiles of a fleet: found in a folder or a table, read one after another, by several processes where it pays.

Nothing here holds more than a few profiles at a time, so a fleet of any size fits in memory.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from specialize.calibration.folder import SUFFIXES
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import Vehicles, is_table
from specialize.errors import InputError, SpecializeError
from specialize.files.far import below, is_far, shown
from specialize.files.paths import Paths
from specialize.fleet.processes import pool_of
from specialize.text.record import Record

Result = TypeVar("Result")
Task = TypeVar("Task")

CHUNK = 32
# Starting a process costs as much as reading some hundred profiles.
WORTH_A_PROCESS = 256
AHEAD = 4


class Failed(Record, frozen=True):
    """A file that could not be used.

    Attributes:
        path: The file.
        reason: Why.
    """

    path: Path
    reason: str


def fleet_files(fleet: Path) -> Sequence[Path]:
    """Return where the profiles of a fleet are: in a table, in its order; else the YAML files of a folder, sorted.

    Raises:
        InputError: There is no such table or folder, or no profile in it.
        UsageError: It is a table, and pyarrow is not installed.
    """
    if is_table(fleet):
        return Vehicles(fleet)
    if is_far(fleet):
        found = tuple(sorted(below(fleet), key=lambda name: name.split("/")))
    elif fleet.is_dir():
        found = tuple(_below(fleet))
    else:
        what = "a file" if fleet.exists() else "no such file or folder"
        raise InputError(str(fleet), "a folder of calibration profiles, or a table of them, *.parquet", what)
    files = Files(fleet, tuple(name for name in found if name.endswith(SUFFIXES)))
    if not files:
        raise InputError(shown(fleet), "at least one profile, *.yaml", "none")
    return files


class Files(Paths):
    """The files of a folder, by their names."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(names)
        self._folder = folder

    def _path(self, name: str) -> Path:
        return self._folder / name


def _below(folder: Path, above: str = "") -> Iterator[str]:
    """Yield the files below a folder, in the order of their paths."""
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(folder / entry.name, f"{above}{entry.name}/")
        else:
            yield above + entry.name


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[Result]):
    """Loads a profile and works on it; runs in other processes."""

    work: Callable[[Path, CalibrationProfile], Result]

    def __call__(self, path: Path) -> Result:
        return self.work(path, load_profile(path))


def over_profiles(
    paths: Sequence[Path],
    work: Callable[[Path, CalibrationProfile], Result],
    jobs: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Result | Failed]:
    """Yield what `work` makes of each profile; see `over_paths`."""
    return over_paths(paths, _Loaded(work), jobs, executor)


def over_paths(
    paths: Sequence[Path],
    work: Callable[[Path], Result],
    jobs: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Result | Failed]:
    """Yield what `work` makes of each path, in their order; a bad file does not stop the others.

    Args:
        paths: A file or folder of each vehicle.
        work: A picklable callable; what it refuses with a `SpecializeError` becomes `Failed`.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        executor: Where to work, instead of processes of this machine.
    """
    count = _jobs(len(paths)) if jobs is None else jobs
    if executor is None and count <= 1:
        for path in paths:
            yield _one(work, path)
        return
    ahead = AHEAD * (count if executor is None else max(count, len(os.sched_getaffinity(0))))
    with pool_of(count) if executor is None else contextlib.nullcontext(executor) as workers:
        for found in in_order(_chunks(paths), functools.partial(_several, work), workers, ahead):
            yield from found


def in_order(
    tasks: Iterable[Task], work: Callable[[Task], Result], executor: Executor, ahead: int
) -> Iterator[Result]:
    """Yield what `work` makes of each task, in their order, with no more than `ahead` of them under way."""
    waiting: deque[Future[Result]] = deque()
    for task in tasks:
        waiting.append(executor.submit(work, task))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class UniqueNames:
    """Refuses a second vehicle of the same name: a fleet's files name vehicles, not paths."""

    def __init__(self) -> None:
        self._homes: dict[str, str] = {}

    def add(self, vehicle: str, path: Path) -> None:
        """Remember where a vehicle's profile is.

        Raises:
            InputError: Another profile is of a vehicle with this name.
        """
        other = self._homes.setdefault(vehicle, str(path))
        if other != str(path):
            hint = "give every vehicle of a fleet its own name"
            raise InputError(f"{path}: vehicle", f"a name other than that of {other}", repr(vehicle), hint)


def each_once(
    found: Iterable[Result | Failed], failed: list[Failed], named: Callable[[Result], tuple[str, Path]]
) -> Iterator[Result]:
    """Yield what is known of each vehicle; what could not be used is added to `failed`.

    Args:
        found: Of every profile what was made of it.
        failed: Takes those that failed.
        named: Returns the vehicle's name and its profile.

    Raises:
        InputError: Two profiles are of vehicles with one name.
    """
    names = UniqueNames()
    for one in found:
        if isinstance(one, Failed):
            failed.append(one)
            continue
        names.add(*named(one))
        yield one


def _jobs(count: int) -> int:
    return len(os.sched_getaffinity(0)) if count >= WORTH_A_PROCESS else 1


def _chunks(paths: Sequence[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), CHUNK):
        yield list(paths[start : start + CHUNK])


def _several(work: Callable[[Path], Result], paths: list[Path]) -> list[Result | Failed]:
    return [_one(work, path) for path in paths]


def _one(work: Callable[[Path], Result], path: Path) -> Result | Failed:
    try:
        return work(path)
    except SpecializeError as error:
        return Failed(path, str(error))
