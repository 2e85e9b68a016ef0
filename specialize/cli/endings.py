"""Turn signals that end a process into exceptions, so that unfinished work is cleaned up as after an interrupt."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The process was asked to end.

    Attributes:
        name: Name of the signal.
        exit_code: 128 plus the signal's number, as shells expect it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


@contextlib.contextmanager
def ending_cleanly() -> Iterator[None]:
    """Raise `Ended` in the block when the process is asked to end. Signals that were ignored stay ignored.

    A second signal of the same kind ends the process at once, by the default action.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Ended(number)
