"""Processes of this machine that work on tasks, and that end with the command that started them."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

END_S = 5.0
"""How long a process that was told to end may take."""


@contextlib.contextmanager
def pool_of(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that import what they need; if an exception ends the block, they end at once.

    Otherwise a command that is interrupted would wait until all that was submitted is done.
    """
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            workers = list((pool._processes or {}).values())  # `terminate_workers` of Python 3.14 is public
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join(END_S)
            raise
