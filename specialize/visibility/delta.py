"""Compare two visibility plans: queries gained and lost, camera by camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specialize.errors import InputError
from specialize.visibility.grid import Ints
from specialize.visibility.plan import VisibilityPlan


@dataclass(frozen=True, slots=True, eq=False)
class CameraChange:
    """How one camera's visible set differs.

    Attributes:
        gained: Queries seen only afterwards, ascending flat ids.
        lost: Queries seen only before.
        kept: Number of queries seen both times.
    """

    gained: Ints
    lost: Ints
    kept: int

    @property
    def iou(self) -> float:
        """Intersection over union of the two sets; 1.0 if both are empty."""
        union = self.kept + len(self.gained) + len(self.lost)
        return self.kept / union if union else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class PlanDelta:
    """What changes from one plan to another, per camera in order."""

    cameras: tuple[CameraChange, ...]

    @property
    def gained(self) -> int:
        """Camera-query pairs that are new."""
        return sum(len(camera.gained) for camera in self.cameras)

    @property
    def lost(self) -> int:
        """Camera-query pairs that are gone."""
        return sum(len(camera.lost) for camera in self.cameras)

    @property
    def same(self) -> bool:
        """Whether the visible sets are equal."""
        return not (self.gained or self.lost)

    @property
    def iou(self) -> float:
        """Intersection over union of all pairs; 1.0 if there are none."""
        kept = sum(camera.kept for camera in self.cameras)
        union = kept + self.gained + self.lost
        return kept / union if union else 1.0


def compare_plans(before: VisibilityPlan, after: VisibilityPlan) -> PlanDelta:
    """Compare two plans over the same grid and the same number of cameras.

    Raises:
        InputError: The plans cannot be compared query by query.
    """
    if before.grid != after.grid:
        raise InputError("plan.grid", f"the same grid, {before.grid}", str(after.grid))
    if len(before.seen) != len(after.seen):
        raise InputError("plan.cameras", f"{len(before.seen)} cameras", str(len(after.seen)))
    return PlanDelta(
        tuple(
            CameraChange(
                np.flatnonzero(new & ~old), np.flatnonzero(old & ~new), int(np.count_nonzero(new & old))
            )
            for old, new in zip(before.seen, after.seen, strict=True)
        )
    )
