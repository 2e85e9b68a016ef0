"""Drift between two calibrations, as a table."""

from __future__ import annotations

from specialize.digest import short
from specialize.report.moved import cameras_table
from specialize.request import DriftOutcome
from specialize.text.document import Document, Table
from specialize.text.units import counted


def check_text(outcome: DriftOutcome) -> Document:
    """Return what `specialize check` shows."""
    accepted = [f"accepted when it was built: {', '.join(outcome.allowed)}"] if outcome.allowed else []
    return (*_verdict(outcome), *accepted)


def _verdict(outcome: DriftOutcome) -> tuple[str | Table, ...]:
    if outcome.verdict == "inside envelope":
        head = f"fresh: {outcome.before} may be fed with this calibration: inside its envelope"
        return (head,) if outcome.delta.same else (head, *_body(outcome))
    if outcome.fresh:
        profile = short(outcome.digests[0])
        return (f"fresh: {outcome.before} was built for this calibration (profile {profile})",)
    head = f"stale: {outcome.before} was built for {_built_for(outcome)}: {_sentence(outcome)}"
    return (head, *_body(outcome), *_following(outcome))


def _built_for(outcome: DriftOutcome) -> str:
    built, today = outcome.vehicles
    return "another calibration" if built == today else f"another vehicle, {built}, not for {today}"


def _following(outcome: DriftOutcome) -> list[str]:
    """Return the next command, and what has to be put into it."""
    following = outcome.next_command()
    named = [f"      {word}: {what}" for word, what in following.to_name]
    return [f"next: {following.text}", *named] if following.words else []


def diff_text(outcome: DriftOutcome) -> Document:
    """Return what `specialize diff` shows."""
    if outcome.fresh:
        return f"same: both profiles say the same (profile {short(outcome.digests[0])})"
    return (
        f"different: {_sentence(outcome)}",
        *_body(outcome),
        "verdict: a build for one does not fit the other",
    )


def _sentence(outcome: DriftOutcome) -> str:
    gained = sum(change.gained for change in outcome.queries)
    lost = sum(change.lost for change in outcome.queries)
    if outcome.verdict == "other numbers" and not outcome.queries:
        return f"the cameras give other numbers; no queries of {outcome.model} were compared"
    return {
        "same": "nothing moved",
        "other numbers": f"the same queries of {outcome.model} are seen, at other pixels",
        "other queries": f"{counted(gained, 'query')} of {outcome.model} gained, {lost:,} lost",
        "other cameras": "the cameras are not the same",
        "other table": "its engine serves it with a table of its own",
        "beyond capacity": f"it does not fit the capacity: {_beyond(outcome) or 'too many cameras see one query'}",
        "outside envelope": f"{counted(sum(outcome.outside), 'query')} seen outside its envelope: {_beyond(outcome)}",
    }[outcome.verdict]


def _beyond(outcome: DriftOutcome) -> str:
    """Return which cameras see how many queries outside."""
    cameras = zip(outcome.delta.cameras, outcome.outside, strict=False)
    return ", ".join(f"{count:,} by {camera.name}" for camera, count in cameras if count)


def _body(outcome: DriftOutcome) -> list[str | Table]:
    notes: list[str | Table] = [
        f"{word}: {', '.join(names)}"
        for word, names in (("added", outcome.delta.added), ("removed", outcome.delta.removed))
        if names
    ]
    if outcome.delta.reordered:
        notes.append("the cameras stand in another order")
    if changed := [camera.name for camera in outcome.delta.cameras if camera.lens_changed]:
        notes.append(f"another lens or distortion: {', '.join(changed)}")
    return [*notes, cameras_table(outcome)] if outcome.delta.cameras else notes
