"""What becomes of cells between two calibrations is counted, named by place, and drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.explain.plan import resolve_spec
from specialize.files.resources import resource_dir
from specialize.model.visible import visible_sets
from specialize.report.coverage import coverage_parts, places
from specialize.report.html import to_html
from specialize.text.document import Line, Page, Table
from specialize.visibility.plan import VisibilityPlan
from tests.report import pages
from tests.report.rigs import camera_at, pinhole

POSE = load_profile(resource_dir("calib_profiles") / "car42.yaml").ego_from_lidar


def _rig(left_deg: float) -> CalibrationProfile:
    """Return a front camera, and one beside it that looks to the left, in a lidar frame with x to the right."""
    lidar = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 1.8], [0, 0, 0, 1]])  # ego_from_lidar
    cameras = []
    for name, heading in (("FRONT", 0.0), ("LEFT", left_deg)):
        cameras.append(pinhole(name, camera_at(heading, 0.0, (1.0, 0.0, 1.6)) @ lidar))
    return CalibrationProfile("x", tuple(cameras), lidar)


def _plan(profile: CalibrationProfile) -> VisibilityPlan:
    (plan,) = visible_sets(resolve_spec("bevformer_tiny", None), profile)
    return plan


def test_cells_that_go_blind_are_named_by_their_side() -> None:
    """A camera that turns from the left to the rear leaves the left blind, which is what the table says."""
    before, after = _rig(70.0), _rig(150.0)
    parts = coverage_parts(_plan(before), _plan(after), after.ego_from_lidar)
    summary = next(part for part in parts if isinstance(part, Line))
    assert summary.state == "bad" and "go blind" in summary.text
    table = next(part for part in parts if isinstance(part, Table))
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows[0][0] == "goes blind" and re.fullmatch(r"\d+ to \d+ m, (left|front left)", rows[0][1])
    assert any(row[0] == "is seen again" and "rear left" in row[1] for row in rows)
    blind = sum(int(row[2].replace(",", "")) for row in rows if row[0] == "goes blind")
    old, new = (plan.count.reshape(50, 50) for plan in (_plan(before), _plan(after)))
    assert blind == np.count_nonzero((old > 0) & (new == 0)) > 100


def test_nothing_lost_is_said() -> None:
    """The same calibration twice loses nothing, and has no table of places."""
    (plan,) = pages.plans()
    parts = coverage_parts(plan, plan, POSE)
    assert next(part for part in parts if isinstance(part, Line)).state == "good"
    assert not any(isinstance(part, Table) for part in parts)


def test_places_are_apart_where_there_is_a_gap() -> None:
    """Cells on one side at two distances are two places; without a vehicle's frame sides are angles."""
    (plan,) = pages.plans()
    mask = np.zeros((50, 50), bool)
    mask[30:33, 25], mask[45, 24:27] = True, True  # y of the lidar is forward
    found = places(mask, plan, POSE)
    assert [(place.cells, place.side) for place in found] == [(3, "front"), (3, "front")]
    assert found[0].farthest_m < found[1].nearest_m
    assert [place.side for place in places(mask, plan, None)] == ["90° from the lidar's x axis"] * 2
    assert str(
        places(mask & (np.arange(50) == 25)[:, None].T & (np.arange(50) == 31)[:, None], plan, POSE)[0]
    ) == ("14 m, front")
    assert places(np.zeros((50, 50), bool), plan, POSE) == ()


@pytest.mark.parametrize("shape", [(8, 20, 20), (30, 20)])
def test_every_grid_of_the_ground_is_drawn(shape: tuple[int, ...]) -> None:
    """Voxels are seen from above, and grids need not be square; the page is complete."""
    (before,), (after,) = pages.plans(shape=shape), pages.plans(shape=shape, calib="car43.yaml")
    parts = coverage_parts(before, after, POSE)
    html = to_html(Page("t", "s", (), parts))
    assert html.count('class="picture cells"') == 2 and f'viewBox="0 0 20 {shape[-2]}"' in html
