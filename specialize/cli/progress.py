"""Say how long work has taken and how long it will: after lines of progress, once that is worth knowing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

SHOWN_FROM_S = 3.0
"""Seconds that a command works before its lines tell the time."""

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
        self._step, self._step_start_s = "", self._start_s

    def told(self, line: str) -> str:
        """Return a line of progress with the time since the command began, and an estimate of what is left of its step.

        A step is told by lines that end in `2 of 4`, said when a part begins, or begin with `[2/4]`, said when it ends.
        """
        now_s = self._now_s()
        begun, done = _BEGUN.match(line), _DONE.match(line)
        counted = begun or done
        step = begun["step"] if begun else "[]" if done else line
        first = step != self._step and not done
        if step != self._step:
            self._step, self._step_start_s = step, self._start_s if done else now_s
        if now_s - self._start_s < SHOWN_FROM_S:
            return line
        parts = int(counted["number"]) - (begun is not None) if counted and not first else 0
        left = _left(now_s - self._step_start_s, parts, int(counted["total"])) if counted and parts else ""
        return f"{line} ({seconds(now_s - self._start_s)}{left})"


def seconds(duration_s: float) -> str:
    """Return a duration as people say it: 12 s, 3 min, 1 h 5 min."""
    if duration_s < 90:
        return f"{duration_s:.0f} s"
    minutes = round(duration_s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _left(taken_s: float, parts: int, total: int) -> str:
    """Return how long the other parts take, if they take as long as those that are done."""
    return f", about {seconds(taken_s / parts * (total - parts))} left" if parts < total else ""
