"""Turn a difference between two calibrations into the page that the template lays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specialize.calibration.profile import CalibrationProfile
from specialize.report.coverage import coverage_parts
from specialize.report.draw import cells_path, top_view
from specialize.report.ground import Scene
from specialize.report.html import to_html
from specialize.report.moved import difference, moved_parts
from specialize.report.rig import lens_text
from specialize.report.rig_top import field_picture
from specialize.report.svg import Card
from specialize.request import DriftOutcome
from specialize.text.document import Fact, Heading, Page, Part, State, View, pairs, table, words
from specialize.text.units import count, counted, number, percent
from specialize.visibility.plan import VisibilityPlan

_NO_MAP = (
    "The cameras themselves differ, or the model has no grid of queries: "
    "there is nothing to compare cell by cell."
)
_ANSWERS = {"same": "Nothing", "other numbers": "Numbers, not queries", "other queries": "Queries"}


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One camera on one grid: paths of the cells that stay, that are new and that are gone."""

    name: str
    summary: str
    kept: str
    gained: str
    lost: str


@dataclass(frozen=True, slots=True)
class ChangeMap:
    """The changes on one grid of queries."""

    columns: int
    rows: int
    cameras: tuple[ChangeView, ...]


def diff_report(
    outcome: DriftOutcome,
    before: Sequence[VisibilityPlan],
    after: Sequence[VisibilityPlan],
    profiles: tuple[CalibrationProfile, CalibrationProfile] | None = None,
) -> str:
    """Return the HTML of what moved between two calibrations, for one model's queries; see `diff_page`."""
    return to_html(diff_page(outcome, before, after, profiles))


def diff_page(
    outcome: DriftOutcome,
    before: Sequence[VisibilityPlan],
    after: Sequence[VisibilityPlan],
    profiles: tuple[CalibrationProfile, CalibrationProfile] | None = None,
) -> Page:
    """Return the page of a difference.

    Args:
        outcome: What moved.
        before: The first one's visible sets, one per grid; empty if the cameras themselves differ.
        after: The second one's.
        profiles: Both calibrations, which are drawn from above, if they are at hand.
    """
    pose = None if profiles is None else profiles[1].ego_from_lidar
    titles = _titles(outcome)
    covered = [
        part for pair in zip(before, after, strict=True) for part in coverage_parts(*pair, pose, titles)
    ]
    names = [camera.name for camera in outcome.delta.cameras]
    digests = zip((f"profile {vehicle}" for vehicle in outcome.vehicles), outcome.digests, strict=True)
    maps = [part for pair in zip(before, after, strict=True) for part in _map(*pair, names)]
    parts: list[Part] = [
        Heading("What moved"),
        *moved_parts(outcome),
        *([] if profiles is None else _rigs(*profiles, titles)),
        *covered,
        *(maps or [Heading("Cells gained and lost"), _NO_MAP]),
        Heading("Digests"),
        pairs(digests, "code"),
    ]
    return Page(
        title=" and ".join(outcome.vehicles),
        subtitle=f"what moved between two calibrations, and what that changes for {outcome.model}",
        facts=_facts(outcome),
        parts=tuple(parts),
    )


def _titles(outcome: DriftOutcome) -> tuple[str, str]:
    """Return what both calibrations are called: by their vehicles, if these are two."""
    first, second = outcome.vehicles
    return ("Before", "Now") if first == second else (first, second)


def _rigs(first: CalibrationProfile, second: CalibrationProfile, titles: tuple[str, str]) -> list[Part]:
    """Return both rigs from above, and the lens of every camera."""
    cards = tuple(
        Card(title, field_picture(Scene.of(profile)), ("what its cameras see of the ground",))
        for title, profile in zip(titles, (first, second), strict=True)
    )
    lenses = [{camera.name: lens_text(camera) for camera in each.cameras} for each in (first, second)]
    rows = ((name, *(each.get(name, "no such camera") for each in lenses)) for name in lenses[0] | lenses[1])
    heads = words("camera", *(f"lens, {title}" for title in titles))
    return [Heading("The rigs from above"), View("cards", ("top", cards)), table(*heads, rows=rows)]


def _facts(outcome: DriftOutcome) -> tuple[Fact, ...]:
    state: State = "good" if outcome.fresh else "bad"
    serving = "nothing differs" if outcome.fresh else "an envelope or tables can serve several vehicles"
    return (
        Fact("What differs?", _ANSWERS.get(outcome.verdict, "Cameras"), difference(outcome), state),
        Fact("May one build serve both?", "Yes" if outcome.fresh else "No, not an exact one", serving, state),
        _most_moved(outcome),
        _most_changed(outcome),
    )


def _most_moved(outcome: DriftOutcome) -> Fact:
    question = "Which camera moved most?"
    moved = [(camera.shift_px_10m or 0.0, camera) for camera in outcome.delta.cameras]
    if not moved or max(shift for shift, _ in moved) == 0.0:
        return Fact(question, "none", "no point at 10 m moves in any image")
    shift, camera = max(moved, key=lambda entry: entry[0])
    turned, shifted = number(camera.rotation_mrad, 2), number(camera.translation_mm, 1)
    detail = f"{turned} mrad and {shifted} mm; {number(shift, 1)} px at 10 m"
    return Fact(question, camera.name, detail)


def _most_changed(outcome: DriftOutcome) -> Fact:
    question = "How many queries change?"
    if not outcome.queries:
        return Fact(question, "not comparable", "the cameras themselves differ")
    gained, lost, kept = (
        sum(getattr(change, key) for change in outcome.queries) for key in ("gained", "lost", "kept")
    )
    share = percent((gained + lost) / max(1, kept + lost))
    return Fact(
        question, f"{count(gained + lost)} pairs ({share})", f"{count(gained)} gained, {count(lost)} lost"
    )


def _map(before: VisibilityPlan, after: VisibilityPlan, names: Sequence[str]) -> tuple[Part, ...]:
    old, new = (
        top_view(plan.seen, plan.grid.shape, plan.grid.order) for plan in (before, after)
    )  # (N, H, W) each
    views = []
    for index, name in enumerate(names):
        gained, lost = new[index] & ~old[index], old[index] & ~new[index]
        numbers = [int(np.count_nonzero(cells)) for cells in (gained, lost)]
        summary = f"{counted(numbers[0], 'cell')} gained, {count(numbers[1])} lost"
        views.append(
            ChangeView(
                name=name,
                summary=summary if any(numbers) else "the same cells",
                kept=cells_path(old[index] & new[index]),
                gained=cells_path(gained),
                lost=cells_path(lost),
            )
        )
    cells = " × ".join(str(size) for size in before.grid.shape)
    changes = ChangeMap(old.shape[2], old.shape[1], tuple(views))
    return Heading(f"Cells gained and lost, {cells} queries"), View("changes", changes)
