"""Stops a computation that takes longer, or more memory, than folding constants may: an error, never another result."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

import onnxruntime

from specialize.errors import InputError
from specialize.graph import budget

INTERVAL_S = 0.1
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = 4096


class Watchdog:
    """Asks ONNX Runtime to stop, between two nodes or two rounds of a loop, once a budget is used up.

    Args:
        left: The budget; the processor time of the block is taken from it.
        place: What is computed, for errors.
    """

    def __init__(self, left: budget.Budget, place: str) -> None:
        self.options = onnxruntime.RunOptions()
        self._left = left
        self._place = place
        self._expected = ""
        self._done = threading.Event()
        self._started_s = time.process_time()
        self._resident_bytes = _resident_bytes()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._left.seconds -= time.process_time() - self._started_s

    def require_within(self) -> None:
        """Raise if the computation was stopped.

        Raises:
            InputError: The budget was used up.
        """
        if self._expected:
            raise InputError(self._place, self._expected, "more", budget.HINT)

    def _watch(self) -> None:
        while not self._expected:
            if time.process_time() - self._started_s > self._left.seconds:
                self._expected = f"at most {budget.SECONDS:.0f} s of processor time"
            elif _resident_bytes() - self._resident_bytes > budget.MEMORY_BYTES:
                self._expected = f"at most {budget.MEMORY_BYTES >> 30} GiB of memory"
            elif self._done.wait(INTERVAL_S):
                return
        self.options.terminate = True


def _resident_bytes() -> int:
    """Return how much memory the process holds; 0 where the system does not say."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
