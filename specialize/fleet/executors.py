"""Where tasks run: here, in several processes, or on the workers of a dask scheduler; the same function everywhere."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, TypeVar

from specialize.errors import InputError, UsageError, closest

Job = TypeVar("Job")
Result = TypeVar("Result")

ENGINES = ("local", "dask")
CONNECT_S = 10


class Engine(Protocol):
    """Carries out tasks."""

    def run(
        self, work: Callable[[Job], Result], tasks: Sequence[Job], lost: Callable[[Job, str], Result]
    ) -> Iterator[Result]:
        """Yield what became of each task, as they finish.

        Args:
            work: A function of a module, so that other processes find it.
            tasks: What it is called with.
            lost: What became of a task whose process died, and why.
        """


@dataclass(frozen=True, slots=True)
class Local:
    """This machine.

    Attributes:
        jobs: Number of processes; 1 works in this one.
    """

    jobs: int = 1

    def run(
        self, work: Callable[[Job], Result], tasks: Sequence[Job], lost: Callable[[Job, str], Result]
    ) -> Iterator[Result]:
        """Yield what became of each task, as they finish.

        A process that dies takes the pool with it. What was not done is done again, each task in a process of its
        own, so that one that kills its process, or needs the memory of all, fails alone.
        """
        if self.jobs == 1:
            yield from map(work, tasks)
            return
        again = []
        for task, future in self._pooled(work, tasks, self.jobs):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                again.append(task)
            else:
                yield future.result() if error is None else lost(task, _died(error))
        for task in again:
            for _, future in self._pooled(work, [task], 1):
                error = future.exception()
                yield future.result() if error is None else lost(task, _died(error))

    @staticmethod
    def _pooled(
        work: Callable[[Job], Result], tasks: Sequence[Job], jobs: int
    ) -> Iterator[tuple[Job, Future[Result]]]:
        """Yield each task with its finished future."""
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            futures = {_submitted(pool, work, task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future


@dataclass(frozen=True, slots=True)
class Dask:
    """The workers of a dask scheduler, or of a cluster of processes on this machine without one.

    Attributes:
        scheduler: Address such as `tcp://host:8786`; empty for a cluster here.
        jobs: Processes of a cluster here.
    """

    scheduler: str = ""
    jobs: int = 1

    def run(
        self, work: Callable[[Job], Result], tasks: Sequence[Job], lost: Callable[[Job, str], Result]
    ) -> Iterator[Result]:
        """Yield what became of each task, as they finish."""
        try:
            distributed = import_module("distributed")
        except ImportError as error:
            hint = "pip install 'specialize[fleet]'"
            raise UsageError("--engine dask", "the package distributed", "none", hint) from error
        with self._client(distributed) as client:
            futures = {client.submit(work, task, pure=False): task for task in tasks}
            done: Iterator[Any] = distributed.as_completed(list(futures))
            for future in done:
                broken = future.exception()
                yield future.result() if broken is None else lost(futures[future], _died(broken))

    @contextlib.contextmanager
    def _client(self, distributed: ModuleType) -> Iterator[Any]:
        """Yield a client of the scheduler.

        Raises:
            InputError: No scheduler answers there.
        """
        if not self.scheduler:
            options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
            with (
                distributed.LocalCluster(n_workers=self.jobs, **options) as cluster,
                distributed.Client(cluster) as it,
            ):
                yield it
            return
        try:
            client = distributed.Client(self.scheduler, timeout=CONNECT_S)
        except OSError as error:
            raise InputError("--scheduler", f"a scheduler at {self.scheduler}", "no answer") from error
        with client:
            yield client


def engine_of(name: str, scheduler: str, jobs: int) -> Engine:
    """Return the engine of this name.

    Raises:
        UsageError: There is no such engine, or a scheduler is named for one that has none.
    """
    if name not in ENGINES:
        raise UsageError("--engine", f"one of {', '.join(ENGINES)}", repr(name), closest(name, ENGINES))
    if name == "local" and scheduler:
        raise UsageError("--scheduler", "--engine dask with it", "--engine local")
    if jobs < 1:
        raise UsageError("--jobs", "a number of at least 1", str(jobs))
    return Dask(scheduler, jobs) if name == "dask" else Local(jobs)


def _submitted(pool: ProcessPoolExecutor, work: Callable[[Job], Result], task: Job) -> Future[Result]:
    """Return the future of a task; that of a pool which broke meanwhile has failed."""
    try:
        return pool.submit(work, task)
    except BrokenProcessPool as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed


def _died(error: BaseException) -> str:
    return f"the process that made it died: {type(error).__name__}: {error}".strip()
