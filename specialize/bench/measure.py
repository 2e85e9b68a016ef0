"""Run several forms of a model in turn and time them.

Each form lives in a process of its own, so that its peak memory is its own. Forms take turns within a round,
and the order rotates from round to round: what slows the machine for a moment slows all of them. Only one
form runs at a time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from specialize.bench.report import BenchReport, FormTime
from specialize.bench.worker import OPEN
from specialize.errors import InputError, closest

_PAUSE_S = 0.02  # between two runs, so that the threads of the one before have gone to sleep


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
    progress: Callable[[str, int], None] = lambda form, round_: None,
) -> BenchReport:
    """Time several forms, interleaved; the first is the one that ratios refer to.

    Args:
        subjects: Form name -> model and inputs.
        rounds: Timed runs of each form.
        warmup: Runs of each form before.
        runtime: `onnxruntime` or `openvino`.
        threads: Threads within an operator.
        shares: Whether to ask the runtime for the share of each operator, in runs of their own.
        progress: Called with the form and the round before each timed run.

    Raises:
        InputError: The runtime is unknown, or a form does not open or run on it.
    """
    if runtime not in OPEN:
        raise InputError("runtime", "a known runtime", repr(runtime), closest(runtime, OPEN))
    if rounds < 1 or not subjects:
        raise InputError("rounds", "at least one round of at least one form", f"{rounds} of {len(subjects)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="specialize-bench-")))
        workers = {
            name: stack.enter_context(_Worker(name, subject, runtime, threads, folder / f"{index}"))
            for index, (name, subject) in enumerate(subjects.items())
        }
        seconds = _timed(workers, rounds, warmup, progress)
        peaks = {name: int(worker.ask("peak")["bytes"]) for name, worker in workers.items()}
        spent = {name: worker.ask("profile") if shares else {} for name, worker in workers.items()}
    forms = {
        name: FormTime(tuple(seconds[name]), peaks[name], worker.idle_bytes, _shares(spent[name]))
        for name, worker in workers.items()
    }
    return BenchReport(next(iter(workers.values())).version, threads, warmup, forms)


def _timed(
    workers: Mapping[str, _Worker], rounds: int, warmup: int, progress: Callable[[str, int], None]
) -> dict[str, list[float]]:
    """Return the seconds of every timed run by form."""
    names = list(workers)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(-warmup, rounds):
        start = round_ % len(names)
        for name in names[start:] + names[:start]:
            progress(name, round_)
            time.sleep(_PAUSE_S)
            taken = workers[name].ask("run")["seconds"]
            if round_ >= 0:
                seconds[name].append(taken)
    return seconds


def _shares(spent: Mapping[str, float]) -> dict[str, float]:
    """Return shares of the whole, the largest first."""
    total = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
    return {name: value / total for name, value in ordered if total > 0}


class _Worker:
    """One form in its process; see `worker` for the protocol."""

    def __init__(self, name: str, subject: Subject, runtime: str, threads: int, base: Path) -> None:
        feed = base.with_suffix(".npz")
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

    def __enter__(self) -> _Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

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
