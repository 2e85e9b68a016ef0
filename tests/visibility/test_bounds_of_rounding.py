"""Which points a plan bounds the rounding of: few, also where a lens's own formula cancels digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from specialize.calibration.lens import lens_of
from specialize.visibility import curved
from specialize.visibility.curved import Curved
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.plan import plan_of
from specialize.visibility.pyramid import Deviation
from tests.visibility.test_curved import _pose

GRID = QueryGrid((160, 160), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 4)
RULE = VisibilityRule()
FITTED = {
    "fx": 632.0, "fy": 631.0, "cx": 400.0, "cy": 226.0, "k1": -12.3, "k2": 51.0, "p1": 1e-4, "p2": 1e-4, "k3": -7.5,
    "k4": -12.1, "k5": 49.0, "k6": -5.0,
}  # fmt: skip
"""A rational distortion as calibrations with too many coefficients find it: large numbers that cancel."""


def _cameras() -> Curved:
    poses = np.stack([_pose(0.3), _pose(2.1), _pose(-2.0)])
    return Curved.of((lens_of("brown_conrady", FITTED),) * 3, poses, [(800, 450)] * 3)


def test_large_bounds_are_looked_at_near_borders_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds as large as what counts as near are computed for points twice as near, and not for every point."""
    cameras, looked = _cameras(), []
    right = Curved._doubts

    def counted(self: Curved, looks: Sequence[curved._Look], rule: VisibilityRule) -> object:
        found = right(self, looks, rule)
        looked.append((sum(look.near.shape[1] for look in looks), max(share for _, share in found)))
        return found

    monkeypatch.setattr(Curved, "_doubts", counted)
    plan_of(cameras, GRID, RULE)
    assert max(share for _, share in looked) > curved.SURE  # the lens is one whose bounds are large
    assert sum(points for points, _ in looked) < 0.05 * 3 * GRID.queries * GRID.anchors


def test_nothing_is_lost_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is that of bounding every point."""
    plan = plan_of(_cameras(), GRID, RULE)
    monkeypatch.setattr(curved, "SURE", 0.0)
    every = plan_of(_cameras(), GRID, RULE)
    assert plan.pairs and len(plan.borderline) and plan.digest == every.digest


def test_a_certificate_is_as_wide_as_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a camera may see grows by twice the bound of its rounding, and never by less than a pixel."""
    widths, right = [], Curved._rectangle

    def noted(self: Curved, camera: int, deviation: Deviation, rounding_px: float) -> object:
        widths.append(rounding_px)
        return right(self, camera, deviation, rounding_px)

    monkeypatch.setattr(Curved, "_rectangle", noted)
    cameras, plain = _cameras(), {name: FITTED[name] for name in ("fx", "fy", "cx", "cy")}
    straight = Curved.of((lens_of("brown_conrady", plain),) * 3, cameras.camera_from_lidar, cameras.size_px)
    for one in (cameras, straight):
        seen, doubtful = one.lattice(GRID, RULE)
        for camera in range(3):
            reached = one.reached(camera, Deviation(), GRID, RULE)
            assert reached[seen[camera]].all()
            assert reached[tuple(doubtful[doubtful[:, 0] == camera][:, 1:].T)].all()
    assert max(widths[:3]) > 2 * curved.NEAR_PX * curved.SURE
    assert widths[3:] == [curved.NEAR_PX * curved.SURE] * 3
