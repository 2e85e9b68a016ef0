"""Measured times of equal formulations of attention, and the choice, as commands show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.text.document import Table, table
from specialize.text.units import count, counted, milliseconds, times

if TYPE_CHECKING:
    from specialize.evidence.tuned import TunedKind, Tuning


def tuned_on(tuning: Tuning) -> str:
    """Return on what formulations were timed, and how."""
    known = ", from the store" if tuning.stored else ""
    if not tuning.threads:
        return f"{tuning.runtime}\n{counted(tuning.rounds, 'call')} of each formulation, in turn{known}"
    threads, rounds = counted(tuning.threads, "thread"), counted(tuning.rounds, "round")
    clock = " of processor time" if tuning.threads == 1 else ""
    return f"{tuning.runtime}, {threads}, {rounds}{clock}, formulations in turn{known}"


def tuned_parts(tuning: Tuning) -> list[str | Table]:
    """Return every kind of attention with its times in all formulations."""
    return [part for kind in tuning.kinds for part in (_title(kind), _times(kind))]


def chosen_line(tuning: Tuning) -> str:
    """Return the choice in one sentence."""
    if not tuning.option():
        return f"attention stays {tuning.default}: no other formulation is clearly faster"
    return f"attention as {tuning.choice}: {times(tuning.gain)} faster than {tuning.default}"


def _title(kind: TunedKind) -> str:
    rows = "visible rows" if kind.what == "site" else "all rows"
    often = "" if kind.times == 1 else f", {kind.times} of them"
    samples = f"{count(kind.samples)} samples of {counted(kind.channels, 'channel')}"
    return f"attention on {rows}{often}: {samples} in {counted(kind.operators, 'operator')}"


def _times(kind: TunedKind) -> Table:
    """Return medians with quartiles, and the ratios that were taken round by round."""
    rows = []
    for form, spread in kind.seconds.items():
        ratio = kind.ratios[form]
        between = f"{milliseconds(spread.low)}-{milliseconds(spread.high)}"
        within = f"{ratio.low:.2f}-{times(ratio.high)}"
        rows.append((form, milliseconds(spread.median), between, times(ratio.median), within))
    return table("time of one run, ms", "median", "quartiles", "faster", "quartiles", rows=rows)
