"""Measured times of equal formulations of attention, and what to build with."""

from __future__ import annotations

from pathlib import Path

from specialize.explain.tune import TuneOutcome
from specialize.report.tuning import chosen_line, tuned_on, tuned_parts
from specialize.text.document import Document
from specialize.text.terminal import CommandLine


def tune_text(outcome: TuneOutcome, place: str) -> Document:
    """Return what `specialize tune` shows."""
    tuning = outcome.tuning
    following = (
        outcome.command if outcome.command.words else CommandLine(("specialize", "bench", Path(place)))
    )
    return (
        f"{tuning.model} for {tuning.vehicle}, target {tuning.target}\n{tuned_on(tuning)}",
        *tuned_parts(tuning),
        chosen_line(tuning),
        following.following,
    )
