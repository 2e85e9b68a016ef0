"""The witness sees through lenses as the compiler does, by its own optics, and sees when either is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.visibility.curved import Curved
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.plan import VisibilityPlan, plan_of
from specialize.witness.lens import lens_of
from specialize.witness.rig import Eye, Grid, Preparation, Rig, Sidecar
from specialize.witness.sight import Pairs
from specialize.witness.through import limit_rad, seen_pairs
from tests.calibration.lens.rigs import SPELLED, lens

SIZE, SCALE, CROP = (640, 400), 0.5, (3.0, 2.0)
RANGE = (-20.0, -20.0, -2.0, 20.0, 20.0, 2.0)
POSE = np.array([[0.0, -1.0, 0.0, 0.1], [0.0, 0.0, -1.0, 0.4], [1.0, 0.0, 0.0, -0.6], [0.0, 0.0, 0.0, 1.0]])


def _plan(name: str, centre_px: float = 0.0) -> VisibilityPlan:
    one = lens(name)
    moved = one.like({**one.parameters, "cx": one.parameters["cx"] + centre_px})
    cameras = Curved.of((moved.prepared(SCALE, CROP),), POSE[None], [SIZE])
    return plan_of(cameras, QueryGrid((80, 80), RANGE, 2), VisibilityRule())


def _witnessed(name: str) -> Pairs:
    model, parameters = SPELLED[name]
    one = lens_of({"model": model, "parameters": parameters})
    eye = Eye("A", (1280, 800), np.full((4, 4), np.nan), None, POSE, lens=one)
    sidecar = Sidecar((Preparation(SIZE, SCALE, CROP),), (), 1e-5, {}, lens(name).MODEL)
    return seen_pairs(Rig("car", (eye,)), sidecar, Grid((80, 80), RANGE, 2))


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_both_see_the_same(name: str) -> None:
    """What one is sure of the other finds possible, of every lens; few pairs are in doubt."""
    plan, own = _plan(name), _witnessed(name)
    assert 0.05 < plan.seen.mean() < 0.95
    assert (own.surely <= plan.superset).all() and (plan.certain <= own.possibly).all()
    assert (own.possibly & ~own.surely).sum() < 20
    assert (plan.seen != own.seen).sum() <= len(plan.borderline)


@pytest.mark.parametrize("name", ["kannala_brandt", "mei_kitti360", "double_sphere", "ftheta", "radtan"])
def test_a_lens_that_is_a_few_pixels_off_is_seen(name: str) -> None:
    """A principal point eight raw pixels aside contradicts the witness on a grid of half a metre."""
    plan, own = _plan(name, 8.0), _witnessed(name)
    assert (own.surely & ~plan.superset).any() or (plan.certain & ~own.possibly).any()


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_both_end_at_the_same_angle(name: str) -> None:
    """The limit that a model is fed is the same to 1e-9 by scanning and by roots."""
    model, parameters = SPELLED[name]
    assert limit_rad(lens_of({"model": model, "parameters": parameters})) == pytest.approx(
        lens(name).limit_rad, abs=1e-9
    )
