"""Run several forms of a model in turn and time them.

Each form lives in a process of its own, so that its peak memory is its own. It is opened alone first, for memory and
shares. Then the forms take turns within a round, and the order rotates from round to round: what slows the machine for
a moment slows all of them. Only one form runs at a time; forms that would fill the memory together are also open one
at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

import numpy as np

from specialize.bench.report import BenchReport, FormTime
from specialize.bench.worker import OPEN
from specialize.errors import InputError, closest
from specialize.files.scratch import temporary_folder

Clock = Literal["seconds", "cpu_seconds"]

_PAUSE_S = 0.02  # between two runs, so that the threads of the one before have gone to sleep
SHORT_S = 1.0
"""Time of a run up to which the one after it counts: the first run of a turn finds the data of other forms in the
caches, and its own threads asleep, which costs up to 20 ms. A model on a vehicle runs again and again.
"""
SHARE_OF_MEMORY = 0.5
"""Of the machine's memory, that the forms may hold together."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model and what it is fed; entries of `feed` that the model does not have are left out."""

    path: Path
    feed: Mapping[str, np.ndarray]


def bench_models(
    subjects: Mapping[str, Subject],
    *,
    rounds: int = 11,
    warmup: int = 2,
    runtime: str = "onnxruntime",
    threads: int = 2,
    shares: bool = True,
    clock: Clock = "seconds",
) -> BenchReport:
    """Time several forms, interleaved; the first is the one that ratios refer to.

    Args:
        subjects: Form name -> model and inputs.
        rounds: Timed runs of each form.
        warmup: Runs of each form after it was opened, before it is timed.
        runtime: `onnxruntime` or `openvino`.
        threads: Threads within an operator.
        shares: Whether to ask the runtime for the share of each operator, in runs of their own.
        clock: Wall time, or processor time, which other work on the machine disturbs less; for one thread.

    Raises:
        InputError: The runtime is unknown, or a form does not open or run on it.
    """
    if runtime not in OPEN:
        raise InputError("runtime", "a known runtime", repr(runtime), closest(runtime, OPEN))
    if rounds < 1 or not subjects:
        raise InputError("rounds", "at least one round of at least one form", f"{rounds} of {len(subjects)}")
    with temporary_folder("bench") as folder:
        starts: dict[str, Start] = {
            name: partial(Worker, name, subject, runtime, threads, folder / f"{index}")
            for index, (name, subject) in enumerate(subjects.items())
        }
        alone = {name: _alone(start, max(1, warmup), shares) for name, start in starts.items()}
        together = sum(look.peak_bytes for look in alone.values()) <= SHARE_OF_MEMORY * memory_bytes()
        with _turns(starts, warmup, together) as turn:
            seconds = _timed(turn, list(starts), rounds, clock)
    forms = {
        name: FormTime(tuple(seconds[name]), look.peak_bytes, look.idle_bytes, _shares(look.spent))
        for name, look in alone.items()
    }
    version = next(iter(alone.values())).version
    return BenchReport.of(version, threads, warmup, together, forms)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What is known of a form that was open alone: memory, and seconds per operator."""

    version: str
    idle_bytes: int
    peak_bytes: int
    spent: Mapping[str, float]


def _alone(start: Start, runs: int, shares: bool) -> _Look:
    with start(runs) as worker:
        peak = int(worker.ask("peak")["bytes"])
        spent = worker.ask("profile") if shares else {}
        return _Look(worker.version, worker.idle_bytes, peak, spent)


@contextmanager
def _turns(starts: Mapping[str, Start], warmup: int, together: bool) -> Iterator[Turn]:
    """Yield what lends an open form: one that stays open, or one that is opened for its turn and closed after it."""
    if not together:
        yield lambda name: starts[name](min(1, warmup))
        return
    with ExitStack() as stack:
        workers = {name: stack.enter_context(start(warmup)) for name, start in starts.items()}
        yield lambda name: nullcontext(workers[name])


def _timed(turn: Turn, names: list[str], rounds: int, clock: Clock) -> dict[str, list[float]]:
    """Return the seconds of every timed run by form; of a short one, which is run twice, those of the second run."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds):
        start = round_ % len(names)
        for name in names[start:] + names[:start]:
            with turn(name) as worker:
                time.sleep(_PAUSE_S)
                seconds[name].append(worker.timed()[clock])
    return seconds


def memory_bytes() -> int:
    """Return the memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _shares(spent: Mapping[str, float]) -> dict[str, float]:
    """Return shares of the whole, the largest first."""
    total = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
    return {name: value / total for name, value in ordered if total > 0}


class Worker:
    """One form in its process, opened and warm; see `worker` for the protocol."""

    def __init__(
        self, name: str, subject: Subject, runtime: str, threads: int, base: Path, warmup: int
    ) -> None:
        feed = base.with_suffix(".npz")
        if not feed.exists():
            np.savez(feed, allow_pickle=False, **subject.feed)
        self._name = name
        self._log = base.with_suffix(".log")
        arguments = [str(subject.path), str(feed), runtime, str(threads)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "specialize.bench.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        opened = self._read()
        self.version = str(opened["runtime"])
        self.idle_bytes = int(opened["idle_bytes"])
        for _ in range(warmup):
            self.ask("run")

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def timed(self) -> dict[str, float]:
        """Run the form, a short one twice, and return what the last run took."""
        taken = self.ask("run")
        return self.ask("run") if taken["seconds"] < SHORT_S else taken

    def ask(self, command: str) -> dict[str, float]:
        """Send a command and return the answer.

        Raises:
            InputError: The process ended instead of answering.
        """
        stream = self._stream(self._process.stdin)
        try:
            stream.write(command + "\n")
            stream.flush()
        except BrokenPipeError:
            pass  # `_read` finds out why
        return self._read()

    def _read(self) -> dict[str, float]:
        line = self._stream(self._process.stdout).readline()
        if line:
            answer: dict[str, float] = json.loads(line)
            return answer
        self._process.communicate()
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {self._process.returncode} (out of memory?)"
        raise InputError(f"form {self._name!r}", "a model that opens and runs", reason)

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream


Start = Callable[[int], Worker]
Turn = Callable[[str], AbstractContextManager[Worker]]
