"""Decide what to do about a state, and after how many checks: the twin of `policy.hpp`.

The settled state is the worst state that at least `needed` of the last `window` checks reached or exceeded. The first
check counts at once: a vehicle that starts with the wrong calibration gets no grace period.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from specialize.vehicle.words import State

MOST_CHECKS = 64


class Action(IntEnum):
    """Action. Warn: continue with a warning. Fall back: run the model that was not specialized."""

    RUN = 0
    WARN = 1
    RELINK = 2
    FALL_BACK = 3
    FAIL = 4


@dataclass(slots=True, kw_only=True)
class Watch:
    """Remembers checks and says what to do.

    Attributes:
        needed: Checks of the window that must be as bad before a state counts.
        window: Checks that are remembered.
        on_relink: What to do when the engine needs other tables.
        on_stale: What to do when the build is for another calibration.
        on_unusable: What to do when today's calibration cannot be right.
    """

    needed: int = 1
    window: int = 1
    on_relink: Action = Action.RELINK
    on_stale: Action = Action.FAIL
    on_unusable: Action = Action.FAIL
    _last: deque[State] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers and the policies.

        Raises:
            ValueError: They cannot be.
        """
        if not 1 <= self.needed <= self.window <= MOST_CHECKS:
            raise ValueError(f"expected 1 <= needed <= window <= {MOST_CHECKS}: {self.needed}, {self.window}")
        if Action.RELINK in (self.on_stale, self.on_unusable):
            raise ValueError("tables do not help against a stale build or an unusable calibration")
        if Action.RUN in (self.on_relink, self.on_stale, self.on_unusable):
            raise ValueError("a state that is ignored needs at least a warning")
        self._last = deque(maxlen=self.window)

    def settle(self, state: State) -> State:
        """Take note of one check; return the settled state."""
        if not self._last:
            self._last.extend([state] * self.window)
        self._last.append(state)
        return sorted(self._last, reverse=True)[self.needed - 1]

    def step(self, state: State) -> Action:
        """Take note of one check; return what to do."""
        settled = self.settle(state)
        if settled <= State.INSIDE:
            return Action.RUN
        return {
            State.RELINK: self.on_relink,
            State.STALE: self.on_stale,
            State.UNUSABLE: self.on_unusable,
        }[settled]
