"""Say how long work has taken and how long it will: after lines of progress, and on a terminal in silent steps too."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import TextIO

import click

SHOWN_FROM_S = 3.0
"""Seconds that a command works before its lines tell the time, and that a step is silent before its time is shown."""

_KEPT = "specialize.progress"
_ERASE = "\r\x1b[K"

_BEGUN = re.compile(r"^(?P<step>.*\D)(?P<number>\d+) of (?P<total>\d+)$")
_DONE = re.compile(r"^\[(?P<number>\d+)/(?P<total>\d+)\] ")


class Clock:
    """Times the lines of one command.

    Args:
        now_s: Returns seconds that only grow.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._start_s = now_s()
        self._step, self._step_start_s, self._first = "", self._start_s, 0
        self._line, self._line_s, self._left_s = "working", self._start_s, 0.0

    def told(self, line: str) -> str:
        """Return a line of progress with the time since the command began, and an estimate of what is left of its step.

        A step is told by lines that end in `2 of 4`, said when a part begins, or begin with `[2/4]`, said when it ends.
        Of parts that end, the first one is estimated from only until there is another: what all need is made in it.
        """
        now_s = self._now_s()
        begun, done = _BEGUN.match(line), _DONE.match(line)
        counted = begun or done
        step = begun["step"] if begun else "[]" if done else line
        first = step != self._step and not done
        if step != self._step:
            self._step, self._step_start_s, self._first = step, self._start_s if done else now_s, 0
        parts = int(counted["number"]) - (begun is not None) if counted and not first else 0
        total = int(counted["total"]) if counted else 0
        self._line, self._line_s = line, now_s
        self._left_s = (
            (now_s - self._step_start_s) / max(1, parts - self._first) * (total - parts) if parts else 0.0
        )
        if done and not self._first:
            self._first, self._step_start_s = parts, now_s
        if now_s - self._start_s < SHOWN_FROM_S:
            return line
        return f"{line} ({seconds(now_s - self._start_s)}{_left(self._left_s) if parts < total else ''})"

    def ticked(self) -> str:
        """Return what is done since the last line, for how long, and what is left; empty for a short time."""
        silent_s = self._now_s() - self._line_s
        if silent_s < SHOWN_FROM_S:
            return ""
        return f"{self._line}: {seconds(silent_s)}{_left(max(0.0, self._left_s - silent_s))}"


class Ticker:
    """Shows the time of a silent step in the last line of a terminal.

    Args:
        stream: The terminal.
        line: Returns the text; empty for none.
        every_s: Seconds between two updates.
    """

    def __init__(self, stream: TextIO, line: Callable[[], str], every_s: float = 0.5) -> None:
        self._stream, self._line, self._every_s = stream, line, every_s
        self._lock, self._ended, self._shown = threading.Lock(), threading.Event(), False
        threading.Thread(target=self._tick, name="progress", daemon=True).start()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Remove the text while something else is printed."""
        with self._lock:
            if self._shown:
                self._write(_ERASE)
            self._shown = False
            yield

    def stop(self) -> None:
        """Remove the text, and show none again."""
        self._ended.set()
        with self.hidden():
            pass

    def _tick(self) -> None:
        while not self._ended.wait(self._every_s):
            with self._lock:
                text = "" if self._ended.is_set() else self._line()
                if text:
                    self._shown = True
                    width = shutil.get_terminal_size().columns - 1
                    self._write(f"{_ERASE}\x1b[2m{text[:width]}\x1b[0m")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Progress:
    """The progress of one command: its clock, and on a terminal its ticker.

    Args:
        stream: Where lines of progress go.
    """

    def __init__(self, stream: TextIO) -> None:
        self.clock = Clock()
        shows = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._ticker = Ticker(stream, self.clock.ticked) if shows else None

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """Show no time while something else is printed."""
        return contextlib.nullcontext() if self._ticker is None else self._ticker.hidden()

    def stop(self) -> None:
        """Show no time any more: results are printed, or questions are asked."""
        if self._ticker is not None:
            self._ticker.stop()


def progress() -> Progress:
    """Return the progress of the command that runs, from its first line or from `cli` on."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Progress(StringIO())
    root = context.find_root()
    if _KEPT not in root.meta:
        root.meta[_KEPT] = Progress(sys.stderr)
        root.call_on_close(root.meta[_KEPT].stop)
    kept = root.meta[_KEPT]
    assert isinstance(kept, Progress)
    return kept


def seconds(duration_s: float) -> str:
    """Return a duration as people say it: 12 s, 3 min, 1 h 5 min."""
    if duration_s < 90:
        return f"{duration_s:.0f} s"
    minutes = round(duration_s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _left(left_s: float) -> str:
    """Return the estimate of what is left; empty if there is none, or not a second."""
    return f", about {seconds(left_s)} left" if left_s >= 0.5 else ""
