"""The visible sets of many vehicles at once against the plan of each: every bit, digest and number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.digests import as_text
from specialize.visibility import many, spans
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.many import SeenByMany, can_see_many, each_vehicle, plan_digests, see_many
from specialize.visibility.plan import plan_visibility
from tests import shared_files, strategies

RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
GRIDS = [
    QueryGrid((50, 50), RANGE, 4),
    QueryGrid((40, 64), RANGE, 4),
    QueryGrid((3, 20, 24), RANGE),
    QueryGrid((2, 15, 13), (-20.0, -30.0, -2.0, 40.0, 30.0, 1.0)),
    QueryGrid((16, 16), (-7.0, -8.0, -1.0, 9.0, 8.0, 1.0), 1),
]
RULES = [
    VisibilityRule(), VisibilityRule(border="closed", dtype="float64"), VisibilityRule(min_depth=1.0),
]  # fmt: skip


def assert_as_one_by_one(
    matrices: np.ndarray, size_px: np.ndarray, grid: QueryGrid, rule: VisibilityRule
) -> SeenByMany:
    """Compare V vehicles (V, N, 4, 4) seen at once with the plan of each; return what was found."""
    found = see_many(matrices, size_px, grid, rule)
    seen, lengths, reach, fan_in = found.seen(), found.lengths(), found.reach_lengths(), found.fan_in()
    digests = plan_digests(found, size_px, grid, rule)
    for index, pairs in enumerate(each_vehicle(found.borderline, len(matrices))):
        plan = plan_visibility(matrices[index], size_px, grid, rule)
        assert np.array_equal(pairs, plan.borderline)
        assert np.array_equal(seen[index], np.packbits(plan.seen, axis=1))
        assert np.array_equal(found.reach[index], np.packbits(plan.superset, axis=1))
        assert lengths[index].tolist() == plan.lengths.tolist()
        assert reach[index].tolist() == plan.superset.sum(axis=1).tolist()
        assert fan_in[index] == plan.superset.sum(axis=0).max()
        assert as_text(digests[index]) == plan.digest
    return found


@given(st.data())
def test_many_vehicles_see_what_each_sees(data: st.DataObject) -> None:
    """Random rigs, any pose, and what is a few millimetres from them, on random grids."""
    rig = data.draw(strategies.rigs(max_cameras=5))
    grid = data.draw(strategies.grids().filter(can_see_many))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    near = 1 + 1e-3 * rng.standard_normal((3, *rig.image_from_lidar.shape))
    matrices = np.concatenate([rig.image_from_lidar[None], rig.image_from_lidar * near])
    assert_as_one_by_one(matrices, rig.size_px, grid, data.draw(st.sampled_from(RULES)))


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: "x".join(map(str, grid.shape)))
def test_real_rigs_and_their_neighbours(grid: QueryGrid) -> None:
    """Every real rig, and two that are a little off."""
    rng = np.random.default_rng(7)
    for path in shared_files.calibrations()[::4]:
        cameras = shared_files.raw_calibration(path)["cameras"]
        pinhole = (
            [np.array(camera["intrinsic"]) for camera in cameras],
            [np.array(camera["lidar2cam"]) for camera in cameras],
        )
        matrices = strategies.product(*map(np.array, pinhole))
        sizes = np.array([(camera["width"], camera["height"]) for camera in cameras])
        near = matrices * (1 + 2e-3 * rng.standard_normal((2, *matrices.shape)))
        assert_as_one_by_one(np.concatenate([matrices[None], near]), sizes, grid, RULES[0])


def on_the_border() -> tuple[np.ndarray, np.ndarray]:
    """Return vehicles (V, 1, 4, 4) whose image borders run exactly through the points of the last grid of `GRIDS`."""
    toy = np.array([[4.0, 4, 0, 0], [0, 4, -4, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    turned = toy[:, [1, 0, 2, 3]]
    matrices = []
    for shift in (0.0, 0.5, 1.0, -0.25, 2.0**-20, 1e-12):
        for matrix in (toy, turned, -toy, toy * [1, 1, 0, 1]):
            moved = matrix.copy()
            moved[:3, 3] += shift * matrix[:3, 0]
            matrices.append(moved)
    return np.array(matrices)[:, None], np.array([[8, 8]])


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_borders_through_points(rule: VisibilityRule) -> None:
    """What lies exactly on a border is borderline, and decided as one vehicle's plan decides it."""
    matrices, size = on_the_border()
    found = assert_as_one_by_one(matrices, size, GRIDS[-1], rule)
    assert len(found.borderline) > 50
    assert 0 < found.unseen.sum() < len(found.unseen)


def test_a_damaged_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another bound on rounding gives another borderline set: the comparison above does not pass by itself."""
    matrices, size = on_the_border()
    whole = spans.rounding_slack
    monkeypatch.setattr(many, "rounding_slack", lambda *args: whole(*args) * 1e-9)
    with pytest.raises(AssertionError):
        assert_as_one_by_one(matrices, size, GRIDS[-1], RULES[0])


def test_the_number_at_once_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vehicles are computed in parts: any size gives the same."""
    rig = strategies.ring()
    rng = np.random.default_rng(3)
    matrices = rig.image_from_lidar * (1 + 1e-3 * rng.standard_normal((9, 6, 4, 4)))
    whole = see_many(matrices, rig.size_px, GRIDS[0], RULES[0])
    monkeypatch.setattr(many, "ROWS_AT_ONCE", 2 * 6 * 4 * 50)
    parts = see_many(matrices, rig.size_px, GRIDS[0], RULES[0])
    assert np.array_equal(whole.reach, parts.reach)
    assert np.array_equal(whole.borderline, parts.borderline)
    assert np.array_equal(whole.unseen, parts.unseen)


@given(st.integers(1, 9), st.integers(0, 999))
def test_most_at_once_counts_sets(sets: int, seed: int) -> None:
    """The largest number of sets that share an element is what counting every element gives."""
    rng = np.random.default_rng(seed)
    bools = rng.random((4, sets, 40)) < rng.random()
    bools[0] = False
    found = many.most_at_once(np.packbits(bools, axis=-1))
    assert found.tolist() == bools.sum(axis=1).max(axis=-1).tolist()
