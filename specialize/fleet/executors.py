"""Where tasks run: executors of `concurrent.futures`, for this process, several, or the workers of a dask scheduler."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from specialize.errors import InputError, UsageError, closest, missing_package
from specialize.fleet.processes import pool_of

Job = TypeVar("Job")
Result = TypeVar("Result")

ENGINES = ("local", "dask")
CONNECT_S = 10


class Serial(Executor):
    """Runs a task in this process when it is submitted; what the task raises, `submit` raises."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextlib.contextmanager
def executor_of(engine: str = "local", scheduler: str = "", jobs: int = 1) -> Iterator[Executor]:
    """Yield an executor for as long as the block lasts.

    Args:
        engine: One of `ENGINES`.
        scheduler: Address of a dask scheduler such as `tcp://host:8786`; empty for a cluster on this machine.
        jobs: Number of processes on this machine.

    Raises:
        UsageError: There is no such engine, a scheduler is named for one that has none, or dask is not installed.
        InputError: No scheduler answers at that address.
    """
    if engine not in ENGINES:
        raise UsageError("--engine", f"one of {', '.join(ENGINES)}", repr(engine), closest(engine, ENGINES))
    if engine == "local" and scheduler:
        raise UsageError("--scheduler", "--engine dask with it", "--engine local")
    if jobs < 1:
        raise UsageError("--jobs", "a number of at least 1", str(jobs))
    if engine == "dask":
        with _client(_distributed(), scheduler, jobs) as client:
            yield client.get_executor(pure=False)
    elif jobs == 1:
        yield Serial()
    else:
        with pool_of(jobs) as pool:
            yield pool


@contextlib.contextmanager
def elsewhere(
    engine: str = "local", scheduler: str = "", jobs: int | None = None
) -> Iterator[Executor | None]:
    """Yield the executor of an engine other than processes of this machine, else None; raises what `executor_of` does.

    Args:
        engine: One of `ENGINES`.
        scheduler: As of `executor_of`.
        jobs: Number of processes on this machine; None for one per core.
    """
    count = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if engine == "local" and not scheduler:
        yield None
    else:
        with executor_of(engine, scheduler, count) as executor:
            yield executor


def completed(
    executor: Executor,
    work: Callable[[Job], Result],
    tasks: Sequence[Job],
    lost: Callable[[Job, str], Result],
) -> Iterator[Result]:
    """Yield what became of each task, as they finish.

    A process that dies takes its pool with it. What was not done is done again, each task in a process of its own, so
    that one that kills its process, or needs the memory of all, fails alone.

    Args:
        executor: Where to work.
        work: A function of a module, so that other processes find it.
        tasks: What it is called with.
        lost: What became of a task whose process died, and why.
    """
    again = []
    for task, future in _finished(executor, work, tasks):
        error = _error(future)
        if isinstance(error, BrokenExecutor):
            again.append(task)
        else:
            yield future.result() if error is None else lost(task, _died(error))
    for task in again:
        with pool_of(1) as alone:
            future = alone.submit(work, task)
            error = _error(future)
            yield future.result() if error is None else lost(task, _died(error))


def _finished(
    executor: Executor, work: Callable[[Job], Result], tasks: Sequence[Job]
) -> Iterator[tuple[Job, Future[Result]]]:
    """Yield each task with its finished future; one that is done when it is submitted, before the next begins."""
    waiting: dict[Future[Result], Job] = {}
    for task in tasks:
        future = _submitted(executor, work, task)
        if future.done():
            yield task, future
        else:
            waiting[future] = task
    for future in as_completed(waiting):
        yield waiting[future], future


def _submitted(executor: Executor, work: Callable[[Job], Result], task: Job) -> Future[Result]:
    """Return the future of a task; that of a pool which broke meanwhile has failed."""
    try:
        return executor.submit(work, task)
    except BrokenExecutor as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed


def _error(future: Future[Any]) -> BaseException | None:
    """Return what a future raised, when it is done."""
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _died(error: BaseException) -> str:
    return f"the process that made it died: {type(error).__name__}: {error}".strip()


def _distributed() -> ModuleType:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise missing_package("--engine dask", "distributed", "fleet") from error


@contextlib.contextmanager
def _client(distributed: ModuleType, scheduler: str, jobs: int) -> Iterator[Any]:
    """Yield a client of a scheduler, or of a cluster of processes on this machine.

    Raises:
        InputError: No scheduler answers there.
    """
    if not scheduler:
        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
        with (
            distributed.LocalCluster(n_workers=jobs, **options) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_S)
    except OSError as error:
        raise InputError("--scheduler", f"a scheduler at {scheduler}", "no answer") from error
    with client:
        yield client
