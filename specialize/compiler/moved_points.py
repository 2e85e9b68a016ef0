"""Compare where points land through lenses with where a model's matrices put them: what baking lenses changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from specialize.artifact.baked import BakedCamera
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.visibility.plan import VisibilityPlan


def compare_lenses(
    by_matrix: ModelSpec, with_lenses: ModelSpec, profile: CalibrationProfile, plans: Sequence[VisibilityPlan]
) -> tuple[BakedCamera, ...]:
    """Return how each camera differs, over all grids.

    Args:
        by_matrix: The user's model.
        with_lenses: The same with lenses.
        profile: The vehicle.
        plans: What its cameras see through lenses.
    """
    pairs = list(zip(visible_sets(by_matrix, profile), plans, strict=True))
    lenses = with_lenses.rig(profile).lenses(prepared=False)
    found = []
    for index, (camera, lens) in enumerate(zip(profile.cameras, lenses, strict=True)):
        before, after = (
            np.concatenate([plan.seen[index] for plan in each]) for each in zip(*pairs, strict=True)
        )
        moved = np.concatenate([_moved_px(old, new, index) for old, new in pairs])
        found.append(
            BakedCamera(
                name=camera.name,
                lens=lens.MODEL if camera.is_raw else "matrix",
                limit_deg=_rounded(math.degrees(lens.limit_rad), 6) if camera.is_raw else None,
                by_matrix=int(before.sum()),
                through_lens=int(after.sum()),
                gained=int((after & ~before).sum()),
                lost=int((before & ~after).sum()),
                moved_px=_rounded(float(np.median(moved)) if len(moved) else 0.0, 3),
                farthest_px=_rounded(float(moved.max(initial=0.0)), 3),
            )
        )
    return tuple(found)


def _moved_px(before: VisibilityPlan, after: VisibilityPlan, camera: int) -> np.ndarray:
    """Return (P,) how far apart both places are of the points that both see, network pixels."""
    both = before.points_seen()[camera] & after.points_seen()[camera]  # (Q, D)
    places = [plan.reference_points()[camera][both] * plan.size_px[camera] for plan in (before, after)]
    return np.asarray(np.linalg.norm(places[1] - places[0], axis=-1))


def _rounded(value: float, digits: int) -> float:
    """Return a value with some digits: the rest is rounding, which differs between machines."""
    return float(f"{round(value, 6):.{digits}g}")
