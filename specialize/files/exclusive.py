"""Let one process at a time do something."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from specialize.errors import SpecializeError
from specialize.files.atomic import explained
from specialize.files.regular import require_lock_file


@contextlib.contextmanager
def only_one(
    lock_file: Path, what: str, timeout_s: float = 900.0, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Let one process at a time into the block; others wait, and are told which process they wait for.

    Args:
        lock_file: File that carries the lock; it is removed while the lock is still held, and a process that waited for
            it creates another.
        what: What is guarded, for messages: `build build/car42`.
        timeout_s: How long to wait for the other process.
        on_wait: Called once, with a sentence for people, if another process must be waited for.

    Raises:
        SpecializeError: Another process still holds the lock after `timeout_s`, or the file is not a lock file.
    """
    with explained(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        require_lock_file(lock_file)
        lock_file.touch()  # where it cannot be made, no process holds it: an error, nothing to wait for
        lock = filelock.FileLock(lock_file)
        if not _acquired(lock, 0.0):
            if on_wait is not None:
                on_wait(f"{what}: waiting for process {_holder(lock_file)}")
            if not _acquired(lock, timeout_s):
                hint = f"wait until it is done, or end it; the lock is {lock_file}"
                raise SpecializeError(
                    what, "no other process at work on it", f"process {_holder(lock_file)}", hint
                )
        lock_file.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock_file.unlink()  # a waiting process locks a file without a name, and tries again
        lock.release()


def _acquired(lock: filelock.BaseFileLock, timeout_s: float) -> bool:
    try:
        lock.acquire(timeout=timeout_s, poll_interval=0.1)
    except filelock.Timeout:
        return False
    return True


def _holder(lock_file: Path) -> str:
    try:
        return lock_file.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
