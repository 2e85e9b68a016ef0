"""Visible sets of a vehicle, as a table."""

from __future__ import annotations

from specialize.cli.render_build import headline, sites_tables
from specialize.digest import short
from specialize.explain.plan import PlanOutcome
from specialize.text.document import Document
from specialize.text.units import counted


def plan_text(outcome: PlanOutcome) -> Document:
    """Return what `specialize plan` shows."""
    coverage = "\n".join(
        f"queries seen by {', '.join(f'{k}: {count:,}' for k, count in enumerate(counts) if count)} cameras"
        for counts in outcome.seen_by
    )
    doubtful = sum(outcome.borderline)
    edge = f"; within rounding of an image border: {counted(doubtful, 'pair')}" if doubtful else ""
    return (
        f"{outcome.model} for {outcome.vehicle} (plan {short(outcome.digests.plan)})",
        headline(outcome.sites),
        *sites_tables(outcome.sites),
        f"{coverage}{edge}",
        *_black(outcome),
        f"written: {outcome.output}",
    )


def _black(outcome: PlanOutcome) -> list[str]:
    """Return the line about pairs that look at pixels without content, by camera."""
    cameras = [camera.name for camera in outcome.sites[0].cameras]
    counts = [
        f"{count:,} of {name}" for name, count in zip(cameras, outcome.without_content, strict=True) if count
    ]
    if not counts:
        return []
    return [f"pairs at pixels that undistortion leaves without content: {', '.join(counts)}"]
