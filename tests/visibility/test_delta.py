"""What changes between two plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from specialize.errors import InputError
from specialize.visibility.delta import compare_plans
from specialize.visibility.grid import QueryGrid
from specialize.visibility.plan import plan_visibility
from tests import strategies


@given(strategies.rigs(), strategies.grids())
def test_a_plan_does_not_differ_from_itself(rig: strategies.Rig, grid: QueryGrid) -> None:
    """Comparing a plan with itself finds nothing, also for cameras that see nothing."""
    plan = plan_visibility(rig.image_from_lidar, rig.size_px, grid)
    delta = compare_plans(plan, plan)
    assert delta.same
    assert (delta.gained, delta.lost, delta.iou) == (0, 0, 1.0)


@given(
    strategies.rigs(min_cameras=3, max_cameras=3),
    strategies.rigs(min_cameras=3, max_cameras=3),
    strategies.grids(),
)
def test_a_delta_turns_one_plan_into_the_other(
    one: strategies.Rig, two: strategies.Rig, grid: QueryGrid
) -> None:
    """Removing what was lost and adding what was gained gives the second plan; the way back swaps the two."""
    before, after = (plan_visibility(rig.image_from_lidar, rig.size_px, grid) for rig in (one, two))
    delta, back = compare_plans(before, after), compare_plans(after, before)
    for index, camera in enumerate(delta.cameras):
        changed = before.seen[index].copy()
        changed[camera.lost] = False
        changed[camera.gained] = True
        assert (changed == after.seen[index]).all()
        assert camera.gained.tolist() == back.cameras[index].lost.tolist()
    union = np.count_nonzero(before.seen | after.seen)
    assert delta.iou == pytest.approx(np.count_nonzero(before.seen & after.seen) / union if union else 1.0)


def test_plans_of_different_grids_cannot_be_compared() -> None:
    """Different grids or numbers of cameras are an error that says which."""
    small, large = (QueryGrid((size, size), (-5, -5, -1, 5, 5, 1)) for size in (2, 3))
    sizes = [[8, 8]]
    one = plan_visibility(np.eye(4)[None], sizes, small)
    with pytest.raises(InputError, match=r"plan\.grid"):
        compare_plans(one, plan_visibility(np.eye(4)[None], sizes, large))
    with pytest.raises(InputError, match=r"plan\.cameras"):
        compare_plans(one, plan_visibility(np.stack([np.eye(4)] * 2), sizes * 2, small))
