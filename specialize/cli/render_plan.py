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
        *_undistorted(outcome),
        f"written: {outcome.output}",
    )


def _undistorted(outcome: PlanOutcome) -> list[str]:
    """Return what undistortion leaves without content and what it cuts away, by camera."""
    cameras = [camera.name for camera in outcome.sites[0].cameras]
    said = []
    for what, counts in (
        ("pairs at pixels that undistortion leaves without content", outcome.without_content),
        ("pairs of raw images that undistortion cuts away", outcome.cut_away),
    ):
        named = [f"{count:,} of {name}" for name, count in zip(cameras, counts, strict=True) if count]
        said += [f"{what}: {', '.join(named)}"] if named else []
    return said
