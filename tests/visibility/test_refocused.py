"""Envelopes of lenses hold for each part of a tolerance alone: other intrinsics, and rims inside of the image."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from specialize.calibration.lens import lens_of
from specialize.visibility.curved import Curved
from specialize.visibility.envelope import superset_within
from specialize.visibility.perturb import rotation
from specialize.visibility.plan import plan_of
from specialize.visibility.pyramid import Deviation
from tests.calibration.lens.rigs import SPELLED
from tests.visibility.test_curved import GRID, RULE, SIZE, _cameras, _pose


def _seen(
    camera: Curved, pose: np.ndarray, factor: float = 1.0, shift: np.ndarray | None = None
) -> np.ndarray:
    """Return (Q,) what the first camera sees from a pose, its image being larger and moved."""
    one = camera.lenses[0]
    pixels, valid = one.project(GRID.points() @ pose[:3, :3].T + pose[:3, 3])
    centre = np.array([one.parameters["cx"], one.parameters["cy"]])
    pixels = centre + (np.zeros(2) if shift is None else shift) + factor * (pixels - centre)
    with np.errstate(invalid="ignore"):
        return np.asarray((valid & ((pixels > 0) & (pixels < SIZE)).all(axis=-1)).any(axis=-1))


@pytest.mark.parametrize("name", ["kannala_brandt", "ftheta", "radtan"])
@pytest.mark.parametrize(("focal", "principal"), [(0.05, 0.0), (0.0, 30.0)])
def test_refocused_cameras_stay_inside(name: str, focal: float, principal: float) -> None:
    """Another focal length alone, and another principal point alone, show nothing outside, and more than nominal."""
    cameras = _cameras(name, 1)
    plan = plan_of(cameras, GRID, RULE)
    (kept,) = superset_within(plan, [Deviation(focal_ratio=focal, principal_point_px=principal)])
    gained = 0
    for ratio, u, v in itertools.product((-focal, focal), (-principal, principal), (-principal, principal)):
        seen = _seen(cameras, cameras.camera_from_lidar[0], 1 + ratio, np.array([u, v]))
        assert (seen <= kept).all()
        gained += int((seen & ~plan.superset[0]).sum())
    assert gained


def test_turned_cameras_stay_inside_where_the_rim_is_in_the_image() -> None:
    """A lens that ends inside of its image: what comes over its rim when it turns is in the envelope."""
    model, parameters = SPELLED["kannala_brandt"]
    pose = _pose(0.3)
    cameras = Curved.of((lens_of(model, parameters, max_angle_rad=0.5),), pose[None], [SIZE])
    plan = plan_of(cameras, GRID, RULE)
    turn = math.radians(2.0)
    (kept,) = superset_within(plan, [Deviation(rotation_rad=turn)])
    gained = 0
    for angle in np.linspace(0.0, 2 * math.pi, 24):
        moved = rotation(turn * np.array([math.cos(angle), math.sin(angle), 0.0])) @ pose
        seen = _seen(cameras, moved)
        assert (seen <= kept).all()
        gained += int((seen & ~plan.superset[0]).sum())
    assert gained
