"""Who works on a fleet's chunks, and how a sample of a large fleet is measured."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from specialize.calibration.load import load_profile
from specialize.calibration.table import Vehicles
from specialize.errors import SpecializeError
from specialize.fleet.load import AHEAD, CHUNK, WORTH_A_PROCESS, in_order
from specialize.fleet.median import Floats, Shape, measure, measure_many, shape_of
from specialize.fleet.processes import pool_of
from specialize.fleet.survey import Chunk, chunks_of, group_of
from specialize.fleet.told_apart import SAMPLED

Result = TypeVar("Result")
Task = TypeVar("Task")

WORTH_OF_A_TABLE = 4096
"""Rows of a table that take as long as starting a process."""
GROUPS = 32
"""Groups of a table that a sample is taken from."""
_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it are spread evenly between whole numbers, whatever the period in which kinds follow each other."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Where chunks are worked on.

    Attributes:
        executor: Processes, here or elsewhere; None for this process.
        ahead: Chunks that may be under way.
    """

    executor: Executor | None = None
    ahead: int = 1

    def in_order(self, tasks: Iterable[Task], work: Callable[[Task], Result]) -> Iterator[Result]:
        """Yield what `work`, a picklable callable, makes of each task, such as a chunk, in their order."""
        if self.executor is None:
            yield from map(work, tasks)
        else:
            yield from in_order(tasks, work, self.executor, self.ahead)


@contextlib.contextmanager
def crew_of(files: Sequence[Path], jobs: int | None, executor: Executor | None) -> Iterator[Crew]:
    """Yield who works on a fleet.

    Args:
        files: The fleet.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        executor: Where to work instead of processes of this machine.
    """
    count = _jobs(files) if jobs is None else jobs
    if executor is not None or count <= 1:
        yield Crew(executor, AHEAD * max(count, 1))
    else:
        with pool_of(count) as pool:
            yield Crew(pool, AHEAD * count)


def _jobs(files: Sequence[Path]) -> int:
    worth = WORTH_OF_A_TABLE if isinstance(files, Vehicles) else WORTH_A_PROCESS
    return len(os.sched_getaffinity(0)) if len(files) >= worth else 1


def measured_sample(files: Sequence[Path], crew: Crew) -> Iterator[tuple[Shape, Floats]]:
    """Yield the rows of `Measured` of some `SAMPLED` vehicles, evenly spread over a fleet, by shape."""
    for found in crew.in_order(_sample(files), _measured):
        yield from found


def _sample(files: Sequence[Path]) -> list[Chunk]:
    if isinstance(files, Vehicles):
        groups = chunks_of(files)
        return [groups[place] for place in spread(len(groups), GROUPS)]
    places = spread(len(files), SAMPLED)
    parts = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
    return [Chunk(part[0], tuple(files[place] for place in part)) for part in parts]


def spread(count: int, most: int) -> list[int]:
    """Return up to `most` of `count` places, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


def _measured(chunk: Chunk) -> list[tuple[Shape, Floats]]:
    """Return some vehicles of a group, or all of a chunk of files, as numbers; others fail later, with a reason."""
    if chunk.table is not None:
        found = []
        group = group_of(chunk)
        for alike, rows in () if group is None else group.parts:
            some = alike.some(np.flatnonzero(rows * _GOLDEN % 1 < SAMPLED / (GROUPS * chunk.count)))
            found.append((shape_of(some.example), measure_many(some)))
        return [(shape, values) for shape, values in found if len(values)]
    measured = []
    for path in chunk.paths:
        try:
            one = measure(load_profile(path))
        except SpecializeError:
            continue
        measured.append((one.shape, one.values[None]))
    return measured
