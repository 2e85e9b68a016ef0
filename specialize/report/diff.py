"""Turn a difference between two calibrations into the page that the template lays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.calibration.delta import CameraDelta
from specialize.report.draw import cells_path, top_view
from specialize.report.numbers import count, percent, plural
from specialize.report.page import ChangeMap, ChangeView, DiffPage, Fact, MovedCamera, Pair
from specialize.report.render import render
from specialize.request import DriftOutcome, QueryChange
from specialize.visibility.plan import VisibilityPlan

_VERDICTS = {
    "same": ("Nothing", "both have the same digest; a build for one is a build for the other", "good"),
    "other numbers": (
        "Numbers, not queries",
        "the baked geometry is another; where queries were compared, the same ones are visible",
        "bad",
    ),
    "other queries": ("Queries", "cameras see other queries: a build for one is wrong for the other", "bad"),
    "other cameras": ("Cameras", "the cameras themselves differ, in number, name or order", "bad"),
}


def diff_report(
    outcome: DriftOutcome, before: Sequence[VisibilityPlan], after: Sequence[VisibilityPlan]
) -> str:
    """Return the HTML of what moved between two calibrations, for one model's queries; see `diff_page`."""
    return render("diff.html", diff_page(outcome, before, after))


def diff_page(
    outcome: DriftOutcome, before: Sequence[VisibilityPlan], after: Sequence[VisibilityPlan]
) -> DiffPage:
    """Return the page of a difference.

    Args:
        outcome: What moved.
        before: The first one's visible sets, one per grid; empty if the cameras themselves differ.
        after: The second one's.
    """
    names = [camera.name for camera in outcome.delta.cameras]
    changes = outcome.queries or (None,) * len(names)
    return DiffPage(
        title=" and ".join(outcome.vehicles),
        subtitle=f"what moved between two calibrations, and what that changes for {outcome.model}",
        facts=_facts(outcome),
        cameras=tuple(
            _moved(camera, change) for camera, change in zip(outcome.delta.cameras, changes, strict=True)
        ),
        maps=tuple(_map(old, new, names) for old, new in zip(before, after, strict=True)),
        digests=tuple(
            Pair(f"profile {vehicle}", digest)
            for vehicle, digest in zip(outcome.vehicles, outcome.digests, strict=True)
        ),
    )


def _facts(outcome: DriftOutcome) -> tuple[Fact, ...]:
    answer, detail, state = _VERDICTS[outcome.verdict]
    build = Fact(
        "May one build serve both?",
        "Yes" if outcome.fresh else "No, not an exact one",
        "an envelope or tables can serve several vehicles" if not outcome.fresh else "nothing differs",
        "good" if outcome.fresh else "bad",
    )
    return (Fact("What differs?", answer, detail, state), build, _most_moved(outcome), _most_changed(outcome))


def _most_moved(outcome: DriftOutcome) -> Fact:
    question = "Which camera moved most?"
    moved = [(camera.shift_px_10m or 0.0, camera) for camera in outcome.delta.cameras]
    if not moved or max(shift for shift, _ in moved) == 0.0:
        return Fact(question, "none", "no point at 10 m moves in any image")
    shift, camera = max(moved, key=lambda entry: entry[0])
    detail = f"{camera.rotation_mrad:.2f} mrad and {camera.translation_mm:.1f} mm; {shift:.1f} px at 10 m"
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


def _moved(camera: CameraDelta, change: QueryChange | None) -> MovedCamera:
    numbers = [count(getattr(change, key)) if change else "" for key in ("kept", "gained", "lost")]
    remarks = {
        "another image size": camera.resized,
        "another lens": camera.lens_changed,
        "another tolerance": camera.tolerance_changed,
        f"{camera.time_offset_ms:+.2f} ms": camera.time_offset_ms != 0.0,
    }
    return MovedCamera(
        name=camera.name,
        rotation=f"{camera.rotation_mrad:.3f}",
        translation=f"{camera.translation_mm:.2f}",
        focal=f"{camera.focal_percent:.3f}",
        principal_point=f"{camera.principal_point_px:.2f}",
        shift_10m=_pixels(camera.shift_px_10m),
        shift_20m=_pixels(camera.shift_px_20m),
        kept=numbers[0],
        gained=numbers[1],
        lost=numbers[2],
        remark="same" if camera.same else ", ".join(text for text, holds in remarks.items() if holds),
    )


def _pixels(shift: float | None) -> str:
    return "not in view" if shift is None else f"{shift:.2f}"


def _map(before: VisibilityPlan, after: VisibilityPlan, names: Sequence[str]) -> ChangeMap:
    old, new = (
        top_view(plan.seen, plan.grid.shape, plan.grid.order) for plan in (before, after)
    )  # (N, H, W) each
    views = []
    for index, name in enumerate(names):
        gained, lost = new[index] & ~old[index], old[index] & ~new[index]
        numbers = [int(np.count_nonzero(cells)) for cells in (gained, lost)]
        summary = f"{plural(numbers[0], 'cell')} gained, {count(numbers[1])} lost"
        views.append(
            ChangeView(
                name=name,
                summary=summary if any(numbers) else "the same cells",
                kept=cells_path(old[index] & new[index]),
                gained=cells_path(gained),
                lost=cells_path(lost),
                changed=any(numbers),
            )
        )
    cells = " × ".join(str(size) for size in before.grid.shape)
    return ChangeMap(f"{cells} queries", old.shape[2], old.shape[1], tuple(views))
