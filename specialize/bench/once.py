"""Run two forms of a model a few times in turn, as a first figure before a benchmark.

Each form lives in its own process, so that its peak memory is its own. Both run on one thread and are compared by
processor time, because waiting threads and other work on the machine would count as wall time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from specialize.bench import measure
from specialize.bench.measure import Subject, Worker
from specialize.files.scratch import temporary_folder

THREADS = 1
ROUNDS = 5
"""Most runs of each form, the first aside."""
BUDGET_S = 3.0
"""A further round starts only if it is over within this time."""


@dataclass(slots=True)
class Runs:
    """What was seen of one form.

    Attributes:
        runtime: Name and version of the runtime.
        cpu_seconds: Processor time of every run, the first one included.
        seconds: Wall time of the same runs.
        peak_bytes: Peak memory of the process, beyond that before the model was opened.
    """

    runtime: str = ""
    cpu_seconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def add(self, worker: Worker) -> None:
        """Run the form; after the first time, which opens its memory, as `Worker.timed` does."""
        taken = worker.timed() if self.seconds else worker.ask("run")
        self.cpu_seconds.append(taken["cpu_seconds"])
        self.seconds.append(taken["seconds"])

    def warm(self) -> slice:
        """Return which runs count: not the first one, if there are others."""
        return slice(1 if len(self.seconds) > 1 else 0, None)


def run_once(subjects: Mapping[str, Subject], budget_s: float = BUDGET_S) -> dict[str, Runs]:
    """Run forms in turn, in rotating order, until the time is used up; each runs once at least.

    Args:
        subjects: Form name -> model and inputs.
        budget_s: Time for the rounds after the first one.

    Raises:
        InputError: A form does not open or does not run.
    """
    found = {name: Runs() for name in subjects}
    with temporary_folder("once") as folder, ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for index, (name, subject) in enumerate(subjects.items()):
            worker = Worker(name, subject, "onnxruntime", THREADS, folder / f"{index}", 0)
            with ExitStack() as alone:
                alone.enter_context(worker)
                found[name].runtime = worker.version
                found[name].add(worker)
                peak = int(worker.ask("peak")["bytes"])
                found[name].peak_bytes = peak - worker.idle_bytes
                if peak * len(subjects) <= measure.SHARE_OF_MEMORY * measure.memory_bytes():
                    workers[name] = worker
                    stack.push(alone.pop_all())
        if len(workers) == len(subjects):
            _take_turns(workers, found, budget_s)
    return found


def _take_turns(workers: Mapping[str, Worker], found: Mapping[str, Runs], budget_s: float) -> None:
    names = list(workers)
    start = time.perf_counter()
    for round_ in range(ROUNDS):
        longest = sum(2 * runs.seconds[-1] for runs in found.values())
        if time.perf_counter() - start + longest > budget_s:
            return
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].add(workers[name])


def ratio(first: Runs, other: Runs) -> float:
    """Return how many times less processor time one form takes than another, the median over their runs."""
    pairs = zip(first.cpu_seconds[first.warm()], other.cpu_seconds[other.warm()], strict=True)
    return float(np.median([one / max(two, 1e-9) for one, two in pairs]))
