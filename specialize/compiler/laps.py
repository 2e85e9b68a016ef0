"""Measure wall time by stage, for progress output."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Laps:
    """A stopwatch with laps; the times are printed but not stored in a build."""

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Book the time since the last lap."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now
