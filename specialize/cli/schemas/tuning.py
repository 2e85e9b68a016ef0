"""JSON of `tune`."""

from __future__ import annotations

from pathlib import Path

from specialize.evidence.tuned import Tuning
from specialize.explain.tune import TuneOutcome
from specialize.text.record import Record


class Tune(Record, frozen=True, kw_only=True):
    """`specialize tune --json`.

    Attributes:
        build: Folder of the build.
        tuning: What was measured, and the choice.
        command: The command that makes the build with it; empty if the default stays.
    """

    build: Path
    tuning: Tuning
    command: str


def tuned(outcome: TuneOutcome, place: str) -> Tune:
    """Return the JSON of a tuning."""
    command = outcome.command.text if outcome.command.words else ""
    return Tune(build=Path(place), tuning=outcome.tuning, command=command)
