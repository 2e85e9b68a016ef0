"""Drift between two calibrations, as JSON and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specialize.digest import short
from specialize.report.moved import cameras_table
from specialize.request import DriftOutcome, QueryChange
from specialize.text.document import Document, Table
from specialize.text.terminal import CommandLine
from specialize.text.units import counted

CHECK_SCHEMA = "specialize/check@1"
DIFF_SCHEMA = "specialize/diff@1"


def check_json(outcome: DriftOutcome) -> dict[str, Any]:
    """Return what `specialize check --json` prints."""
    digests = {"built": outcome.digests[0], "today": outcome.digests[1]}
    return {
        "schema": CHECK_SCHEMA,
        "fresh": outcome.fresh,
        "state": outcome.state or None,
        "reason": outcome.reason or None,
        "build_dir": str(outcome.before),
        "calib": str(outcome.after),
        "vehicles": {"built": outcome.vehicles[0], "today": outcome.vehicles[1]},
        "next": None if outcome.fresh else _next(outcome).text or None,
        "allowed": list(outcome.allowed),
        "digests": digests,
        **_common(outcome),
    }


def diff_json(outcome: DriftOutcome) -> dict[str, Any]:
    """Return what `specialize diff --json` prints."""
    first, second = outcome.digests
    return {
        "schema": DIFF_SCHEMA,
        "same": outcome.fresh,
        "first": {"path": str(outcome.before), "digest": first},
        "second": {"path": str(outcome.after), "digest": second},
        **_common(outcome),
    }


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
    following = _next(outcome)
    named = [f"      {word}: {what}" for word, what in following.to_name]
    return [f"next: {following.text}", *named] if following.words else []


def _next(outcome: DriftOutcome) -> CommandLine:
    """Return the command that makes the build serve today's calibration; without words if there is none."""
    if outcome.verdict == "other table":
        words = (
            "table",
            "--calib",
            Path(outcome.after),
            "--for",
            Path(outcome.before),
            "-o",
            "car.safetensors",
        )
        return CommandLine(("specialize", *words))
    return outcome.again or CommandLine(())


def diff_text(outcome: DriftOutcome) -> Document:
    """Return what `specialize diff` shows."""
    if outcome.fresh:
        return f"same: both profiles say the same (profile {short(outcome.digests[0])})"
    return (
        f"different: {_sentence(outcome)}",
        *_body(outcome),
        "verdict: a build for one does not fit the other",
    )


def _common(outcome: DriftOutcome) -> dict[str, Any]:
    delta = outcome.delta.to_json()
    queries = [_query_json(change) for change in outcome.queries]
    for camera, change in zip(delta["cameras"], queries, strict=False):
        camera["queries"] = change
    for camera, outside in zip(delta["cameras"], outcome.outside, strict=False):
        camera["outside"] = outside
    return {
        "model": outcome.model,
        "verdict": outcome.verdict,
        "cameras": delta["cameras"],
        "added": delta["added"],
        "removed": delta["removed"],
        "reordered": delta["reordered"],
    }


def _query_json(change: QueryChange) -> dict[str, int]:
    return {"gained": change.gained, "lost": change.lost, "kept": change.kept}


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
