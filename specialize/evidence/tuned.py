"""Define the result of a tuning: how long equal formulations of a model's attention take, and which is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from specialize.evidence.spread import Spread
from specialize.text.record import Record

LEAST_GAIN = 1.05
"""How many times faster another formulation must be to be chosen: less may be another day's weather."""


class TunedKind(Record, frozen=True, kw_only=True):
    """Attention of one size in all formulations.

    Attributes:
        what: `site` if only visible rows are computed, else `other`.
        times: How often it occurs in the model.
        operators: Operators per occurrence: one per image and level that are sampled apart.
        samples: Places that are sampled per occurrence, per head.
        channels: Channels of a head.
        seconds: Formulation -> time of one run of one occurrence; without those that a command could not run.
        ratios: Formulation -> how many times faster than the default, round by round.
    """

    what: Literal["site", "other"]
    times: int
    operators: int
    samples: int
    channels: int
    seconds: dict[str, Spread]
    ratios: dict[str, Spread]


class Tuning(Record, frozen=True, kw_only=True):
    """All attention of a model in all formulations; the store keeps it by sizes, target, runtime and threads.

    Attributes:
        model: Name of the model.
        vehicle: Name of the vehicle.
        target: Toolchain that the model is lowered for.
        runtime: Name and version of the runtime, or the command that timed models elsewhere.
        processor: Its architecture; empty with a command.
        threads: Threads within an operator; 0 with a command.
        rounds: Timed runs of each formulation, or calls of the command.
        kinds: What was timed, one entry per size of attention.
        default: The formulation without `--attention`.
        choice: The one that is chosen; `SITES/OTHERS` if sites and other attention are best written apart.
        gain: How many times faster all attention is with it than with the default, by the medians.
        stored: Whether this is an earlier measurement, from the store.
    """

    model: str
    vehicle: str
    target: str
    runtime: str
    processor: str
    threads: int
    rounds: int
    kinds: tuple[TunedKind, ...]
    default: str
    choice: str
    gain: float
    stored: bool = False

    def option(self) -> str:
        """Return what `--attention` is for the choice; empty for the default."""
        return "" if self.choice == self.default else self.choice


def total(kinds: Sequence[TunedKind], form: str) -> float:
    """Return the seconds that all attention takes in one formulation, by the medians."""
    return sum(kind.times * kind.seconds[form].median for kind in kinds)


def chosen(kinds: Sequence[TunedKind], default: str) -> tuple[str, float]:
    """Return the quickest formulation of sites and of other attention, `SITES/OTHERS` if they differ, and the gain.

    The default stays where no other is quicker by `LEAST_GAIN`.
    """
    parts = {what: [kind for kind in kinds if kind.what == what] for what in ("site", "other")}
    best = {what: _quickest(part, default) for what, part in parts.items() if part}
    quickest = sum(total(parts[what], form) for what, form in best.items())
    return "/".join(dict.fromkeys(best.values())), total(kinds, default) / quickest


def _quickest(kinds: Sequence[TunedKind], default: str) -> str:
    forms = [form for form in kinds[0].seconds if all(form in kind.seconds for kind in kinds)]
    form = min(forms, key=lambda form: total(kinds, form))
    return form if total(kinds, default) >= LEAST_GAIN * total(kinds, form) else default
