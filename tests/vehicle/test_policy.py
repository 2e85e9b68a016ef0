"""What to do about a state: hysteresis and policies, in C++ and in Python."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from specialize.vehicle.policy import Action, Watch
from specialize.vehicle.words import State

FRESH, RELINK, STALE, UNUSABLE = State.FRESH, State.RELINK, State.STALE, State.UNUSABLE
CHOICES = (Action.WARN, Action.RELINK, Action.FALL_BACK, Action.FAIL)


def native(
    library: ctypes.CDLL, needed: int, window: int, policies: tuple[int, int, int], states: bytes
) -> bytes:
    """Return what the watch in C++ says after each state; nothing if it refuses to start."""
    actions = ctypes.create_string_buffer(len(states))
    refused = library.watch_many(needed, window, *policies, states, ctypes.c_size_t(len(states)), actions)
    return b"" if refused else actions.raw


def test_the_first_check_counts_at_once() -> None:
    """A vehicle that starts with the wrong calibration is stopped before it drives."""
    assert Watch(needed=3, window=5).step(STALE) is Action.FAIL
    assert Watch(needed=3, window=5).step(FRESH) is Action.RUN


def test_one_bad_check_of_many_changes_nothing() -> None:
    """Online estimates jitter: it takes `needed` of the last `window` checks, and as many good ones to recover."""
    watch = Watch(needed=3, window=5)
    states = [FRESH, STALE, STALE, FRESH, STALE, FRESH, FRESH, FRESH]
    said = [watch.step(state) for state in states]
    assert said == [Action.RUN] * 4 + [Action.FAIL] * 2 + [Action.RUN] * 2


def test_worse_states_count_for_milder_ones() -> None:
    """Two checks that ask for tables and one that is stale are three that ask for tables."""
    watch = Watch(needed=3, window=4, on_relink=Action.RELINK)
    for state in (FRESH, RELINK, STALE):
        assert watch.step(state) is Action.RUN
    assert watch.step(RELINK) is Action.RELINK


@pytest.mark.parametrize("action", [Action.WARN, Action.FALL_BACK, Action.FAIL])
def test_policies_are_the_callers(action: Action) -> None:
    """Every bad state has its own policy."""
    assert Watch(on_stale=action).step(STALE) is action
    assert Watch(on_unusable=action).step(UNUSABLE) is action
    assert Watch(on_relink=action).step(RELINK) is action


def test_what_cannot_be_is_refused() -> None:
    """No table helps against a stale build; no state is ignored silently; no window is empty."""
    for wrong in (
        {"on_stale": Action.RELINK},
        {"on_unusable": Action.RUN},
        {"needed": 0},
        {"needed": 2},
        {"window": 65},
    ):
        with pytest.raises(ValueError):
            Watch(**wrong)  # type: ignore[arg-type]


def test_the_twins_agree(many: ctypes.CDLL) -> None:
    """On random numbers, policies and states, both watches do the same, refusals included."""
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(2000):
        needed, window = (int(n) for n in random.integers(0, 8, 2))
        policies = tuple(int(n) for n in random.integers(0, 6, 3))
        states = random.integers(0, 5, 30, dtype=np.uint8).tobytes()
        try:
            names = ("on_relink", "on_stale", "on_unusable")
            chosen = {name: Action(value) for name, value in zip(names, policies, strict=True)}
            watch = Watch(needed=needed, window=window, **chosen)
            expected = bytes(watch.step(State(state)) for state in states)
        except ValueError:
            expected, refused = b"", refused + 1
        assert native(many, needed, window, policies, states) == expected  # type: ignore[arg-type]
    assert 100 < refused < 1950


def test_an_unknown_state_is_the_worst(many: ctypes.CDLL) -> None:
    """A number that is no state is treated as unusable."""
    assert native(many, 1, 1, (2, 3, 4), bytes([9])) == bytes([Action.FAIL])
