"""Drift between two calibrations, as a table."""

from __future__ import annotations

from specialize.calibration.off import off_options
from specialize.digest import short
from specialize.report.moved import difference, moved_parts
from specialize.request import DriftOutcome
from specialize.text.document import Document, Table
from specialize.text.terminal import command


def check_text(outcome: DriftOutcome) -> Document:
    """Return what `specialize check` shows."""
    accepted = [f"accepted when it was built: {', '.join(outcome.allowed)}"] if outcome.allowed else []
    return (*_verdict(outcome), *accepted)


def _verdict(outcome: DriftOutcome) -> tuple[str | Table, ...]:
    if outcome.verdict == "inside envelope":
        head = f"fresh: {outcome.before} may be fed with this calibration: inside its envelope"
        return (head,) if outcome.delta.same else (head, *moved_parts(outcome))
    if outcome.fresh:
        profile = short(outcome.digests[0])
        return (f"fresh: {outcome.before} was built for this calibration (profile {profile})",)
    head = f"stale: {outcome.before} was built for {_built_for(outcome)}: {difference(outcome)}"
    return (head, *moved_parts(outcome), *_following(outcome))


def _built_for(outcome: DriftOutcome) -> str:
    built, today = outcome.vehicles
    return "another calibration" if built == today else f"another vehicle, {built}, not for {today}"


def _following(outcome: DriftOutcome) -> list[str]:
    """Return the next command, and what has to be put into it."""
    back = outcome.switched(to=0)
    named = command(outcome.before, "--calib", outcome.after, *off_options(back))
    first = (
        [f"if {'it is' if len(back) == 1 else 'they are'} still off: specialize check {named}"]
        if back
        else []
    )
    following = outcome.next_command()
    return [*first, *([following.following] if following.words else [])]


def diff_text(outcome: DriftOutcome) -> Document:
    """Return what `specialize diff` shows."""
    if outcome.fresh:
        return f"same: both profiles have the same content (profile {short(outcome.digests[0])})"
    return (
        f"different: {difference(outcome)}",
        *moved_parts(outcome),
        "verdict: a build for one does not fit the other",
    )
