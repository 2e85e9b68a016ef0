"""The plan against plain loops, recorded figures, real rigs, float32 graphs, and exactly on the border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.errors import InputError
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.plan import VisibilityPlan, plan_visibility
from tests import strategies
from tests.visibility import plain, shared_rigs

RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
RULE = VisibilityRule()
CASES = [
    "tiny_50x50",
    "bev100_at_tiny_images",
    "bev100_at_0p8_images",
    "bev100_at_full_images",
    "small_150x150",
    "base_200x200",
    "base_200x200_unpadded_900",
]


def plan_of(rig: strategies.Rig, grid: QueryGrid, rule: VisibilityRule = RULE) -> VisibilityPlan:
    """Plan a generated rig."""
    return plan_visibility(rig.image_from_lidar, rig.size_px, grid, rule)


def toy(size: tuple[int, int] = (8, 8)) -> tuple[np.ndarray, np.ndarray]:
    """Return a camera at the origin that looks along +y with focal length 4: `u = 4 + 4 x / y`."""
    matrix = np.array([[4.0, 4, 0, 0], [0, 4, -4, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return matrix[None], np.array([size])


# Recorded figures


@pytest.mark.parametrize("case", CASES)
def test_pillar_hits_equal_the_original(case: str) -> None:
    """Queries and points per camera, overlap and longest equal what the original implementation found."""
    cases = shared_rigs.parity("bevformer_hits")["cases"]
    assert set(cases) == set(CASES)
    wanted = cases[case]
    scale = wanted["image_scale"]
    height, width = wanted["img_shape"]
    matrices = np.diag([scale, scale, 1, 1]) @ shared_rigs.rule_rig()
    plan = plan_visibility(matrices, [[width, height]] * 6, QueryGrid(tuple(wanted["bev"]), RANGE, 4))
    assert plan.lengths.tolist() == wanted["hits_per_camera"]
    assert plan.longest == wanted["max_len"]
    assert plan.pairs == wanted["total_hits"]
    assert list(plan.seen_by_k) == wanted["queries_seen_by_k_cameras"]
    assert plan.points_seen().sum(axis=(1, 2)).tolist() == wanted["anchor_hits_per_camera"]


@pytest.mark.parametrize(("model", "scale", "size"), [("tiny", 0.5, (800, 480)), ("base", 1.0, (1600, 928))])
def test_hits_per_height_equal_the_original(model: str, scale: float, size: tuple[int, int]) -> None:
    """Points seen at each of the four heights, and the first and last query, equal the original's."""
    wanted = shared_rigs.parity(f"bevformer_{model}")["geometry"]
    matrices = np.diag([scale, scale, 1, 1]) @ shared_rigs.rule_rig()
    plan = plan_visibility(matrices, [size] * 6, QueryGrid(tuple(wanted["bev"]), RANGE, 4))
    assert plan.points_seen().sum(axis=1).tolist() == wanted["anchor_hits_per_height"]
    if "first_hit_index_per_camera" in wanted:
        assert [int(ids[0]) for ids in plan.query_ids] == wanted["first_hit_index_per_camera"]
        assert [int(ids[-1]) for ids in plan.query_ids] == wanted["last_hit_index_per_camera"]


@pytest.mark.parametrize("level", ["level0", "level1", "level2"])
def test_voxel_hits_equal_the_original(level: str) -> None:
    """Voxels per camera and height, and overlap, equal the original's for all three volumes."""
    wanted = shared_rigs.parity("surroundocc")["geometry"][level]
    rows, columns, layers = wanted["volume_hwz"]
    grid = QueryGrid((layers, rows, columns), (-50, -50, -5, 50, 50, 3))
    plan = plan_visibility(shared_rigs.rule_rig(), [(1600, 928)] * 6, grid)
    assert plan.lengths.tolist() == wanted["hits_per_camera"]
    assert list(plan.seen_by_k) == wanted["voxels_seen_by_k_cameras"]
    by_layer = plan.seen.reshape(6, layers, rows * columns).sum(axis=-1)
    assert by_layer.tolist() == wanted["hits_per_camera_per_height"]


# Real rigs


def test_real_rigs_equal_direct_projection() -> None:
    """On each of the 103 real rigs the plan equals projecting every point and dividing by its depth."""
    grid = QueryGrid((50, 50), RANGE, 4)
    names = shared_rigs.rig_names()
    assert len(names) == 103
    for name in names:
        rig = shared_rigs.rig(name)
        plan = plan_visibility(rig.image_from_lidar, rig.size_px, grid)
        assert (plan.seen == projected(rig.image_from_lidar, rig.size_px, grid)).all(), name
        assert len(plan.borderline) <= 5, name
        assert plan.pairs > 250 * len(rig.size_px), name


@pytest.mark.parametrize("start", range(3))
def test_real_rigs_in_float32_stay_within_the_borderline(start: int) -> None:
    """Six float32 ways to compute the mask keep all certain pairs and nothing beyond the superset."""
    for name in shared_rigs.rig_names()[start * 7 :: 21]:
        check_float32(shared_rigs.rig(name))


def check_float32(rig: shared_rigs.SharedRig) -> None:
    """Compare the plan of one rig with float32 masks on the largest grid."""
    grid = QueryGrid((200, 200), RANGE, 4)
    plan = plan_visibility(rig.image_from_lidar, rig.size_px, grid)
    assert len(plan.borderline) <= 100
    for mask in plain.float32_masks(rig.image_from_lidar, rig.size_px, grid, RULE):
        assert not (mask & ~plan.superset).any()
        assert not (plan.certain & ~mask).any()


def test_float32_differs_where_the_plan_says() -> None:
    """On a fine grid along a border far away float32 masks do differ from exact arithmetic, within bounds."""
    grid = QueryGrid((100, 100), (200.0, 200.0, -1.0, 200.001, 200.001, 1.0))
    matrices, size_px = toy()
    plan = plan_visibility(matrices, size_px, grid)
    masks = plain.float32_masks(matrices, size_px, grid, RULE)
    assert any((mask != plan.seen).any() for mask in masks)
    for mask in masks:
        assert not (mask & ~plan.superset).any()
        assert not (plan.certain & ~mask).any()


def projected(matrices: np.ndarray, size_px: np.ndarray, grid: QueryGrid) -> np.ndarray:
    """Return (N, Q) bool by dividing by the depth."""
    points = np.concatenate([grid.points(), np.ones((grid.queries, grid.anchors, 1))], axis=-1)
    rows = np.einsum("nij,qdj->nqdi", matrices, points)
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = rows[..., :2] / rows[..., 2:3]
    inside = (uv > 0).all(-1) & (uv < size_px[:, None, None]).all(-1)
    return (inside & (rows[..., 2] > RULE.min_depth)).any(-1)


# Properties


@given(strategies.rigs(), strategies.grids(max_side=6))
def test_plan_equals_plain_loops(rig: strategies.Rig, grid: QueryGrid) -> None:
    """On any rig and grid the plan differs from a plain loop at most where it says that rounding decides."""
    plan = plan_of(rig, grid)
    loops = plain.seen_by_loops(rig.image_from_lidar, rig.size_px, grid, RULE)
    assert not (loops & ~plan.superset).any()
    assert not (plan.certain & ~loops).any()


@given(strategies.rigs(), strategies.grids())
def test_float32_graphs_stay_within_the_borderline(rig: strategies.Rig, grid: QueryGrid) -> None:
    """No float32 way to compute the mask leaves the bounds that the plan states."""
    plan = plan_of(rig, grid)
    for mask in plain.float32_masks(rig.image_from_lidar, rig.size_px, grid, RULE):
        assert not (mask & ~plan.superset).any()
        assert not (plan.certain & ~mask).any()


@given(strategies.rigs(min_cameras=2), strategies.grids(), st.randoms())
def test_permuting_cameras_permutes_the_plan(rig: strategies.Rig, grid: QueryGrid, random) -> None:  # type: ignore[no-untyped-def]
    """A plan row belongs to its camera alone."""
    order = list(range(len(rig)))
    random.shuffle(order)
    plan = plan_of(rig, grid)
    permuted = plan_visibility(rig.image_from_lidar[order], rig.size_px[order], grid)
    assert (permuted.seen == plan.seen[order]).all()
    assert permuted.seen_by_k == plan.seen_by_k


@given(strategies.rigs(), strategies.grids(), st.integers(0, 400), st.integers(0, 400))
def test_a_wider_image_never_loses_a_query(
    rig: strategies.Rig, grid: QueryGrid, right: int, below: int
) -> None:
    """Adding columns at the right and rows at the bottom keeps every query that was seen."""
    wider = plan_visibility(rig.image_from_lidar, rig.size_px + np.array([right, below]), grid)
    assert not (plan_of(rig, grid).certain & ~wider.seen).any()


@given(strategies.rigs(), strategies.grids())
def test_closed_borders_and_smaller_depths_never_lose_a_query(rig: strategies.Rig, grid: QueryGrid) -> None:
    """A rule that admits more points sees at least the same queries."""
    plan = plan_of(rig, grid, VisibilityRule(min_depth=1.0))
    assert not (plan.seen & ~plan_of(rig, grid, VisibilityRule(min_depth=1.0, border="closed")).seen).any()
    assert not (plan.seen & ~plan_of(rig, grid).seen).any()


@given(strategies.rigs(), strategies.grids())
def test_the_parts_of_a_plan_agree(rig: strategies.Rig, grid: QueryGrid) -> None:
    """Lengths, pairs, counts, query ids, padded ids and points all say the same."""
    plan = plan_of(rig, grid)
    assert plan.pairs == plan.lengths.sum() == plan.count.sum() == sum(map(len, plan.query_ids))
    assert sum(plan.seen_by_k) == grid.queries
    assert sum(k * number for k, number in enumerate(plan.seen_by_k)) == plan.pairs
    assert (plan.points_seen().any(axis=-1) == plan.seen).all()
    padded = plan.padded_ids(align=4)
    assert padded.shape[1] % 4 == 0
    assert padded.shape[1] - plan.longest < 4
    for row, ids in zip(padded, plan.query_ids, strict=True):
        assert row[: len(ids)].tolist() == ids.tolist()
        assert set(row[len(ids) :].tolist()) <= {int(ids[0]) if len(ids) else 0}


@given(strategies.rigs(), strategies.grids())
def test_reference_points_decide_visibility(rig: strategies.Rig, grid: QueryGrid) -> None:
    """Seen points lie strictly inside the unit square, up to rounding; all reference points are finite."""
    plan = plan_of(rig, grid)
    points = plan.reference_points()
    assert points.shape == (len(rig), grid.queries, grid.anchors, 2)
    assert np.isfinite(points).all()
    inside = points[plan.points_seen()]
    assert ((inside > -1e-12) & (inside < 1 + 1e-12)).all()


# Exactly on the border


@pytest.mark.parametrize(
    ("point", "strictly"),
    [
        ((0, 2, 0), True),  # the image centre
        ((-2, 2, 0), False),  # u = 0
        ((2, 2, 0), False),  # u = width
        ((0, 2, 2), False),  # v = 0
        ((0, 2, -2), False),  # v = height
    ],
)
def test_a_point_exactly_on_the_border(point: tuple[int, int, int], strictly: bool) -> None:
    """Exactly on a border a point is outside an open image, inside a closed one, and always borderline."""
    grid = single_point(*point)
    open_plan = plan_visibility(*toy(), grid)
    closed_plan = plan_visibility(*toy(), grid, VisibilityRule(border="closed"))
    assert open_plan.seen.item() is strictly
    assert closed_plan.seen.item() is True
    assert open_plan.borderline.tolist() == ([] if strictly else [[0, 0]])
    assert open_plan.superset.item() is True


@pytest.mark.parametrize("step", [-1e-3, 1e-3])
@pytest.mark.parametrize(("point", "inward"), [((-2, 2, 0), 1), ((2, 2, 0), -1)])
def test_a_point_beside_the_border_is_no_doubt(point: tuple[int, int, int], inward: int, step: float) -> None:
    """A millimetre from the border nothing is borderline, and the side decides."""
    plan = plan_visibility(*toy(), single_point(point[0] + step, *point[1:]))
    assert plan.seen.item() is bool(step * inward > 0)
    assert len(plan.borderline) == 0


@pytest.mark.parametrize(("depth", "seen"), [(1.0, False), (1.0 - 2**-40, False), (1.0 + 2**-40, True)])
def test_depth_is_strict(depth: float, seen: bool) -> None:
    """A point exactly at the least depth is not seen, and a hair beyond it is, though borderline."""
    plan = plan_visibility(*toy(), single_point(0.0, depth, 0.0), VisibilityRule(min_depth=1.0))
    assert plan.seen.item() is seen
    assert plan.borderline.tolist() == [[0, 0]]


def test_a_point_behind_the_camera_is_not_seen() -> None:
    """A point whose quotients fall inside the image, but at negative depth, is not seen."""
    assert not plan_visibility(*toy(), single_point(0.0, -2.0, 0.0)).superset.any()


def test_a_pillar_is_borderline_only_if_nothing_surely_hits() -> None:
    """A pillar with one point on the border and one well inside is seen without doubt."""
    grid = QueryGrid((1, 1), (-1.0, 1.5, -2.5, 1.0, 2.5, 0.5), 2)  # points at y = 2, z = -2 and z = 0
    plan = plan_visibility(*toy(), grid)
    assert plan.points_seen().tolist() == [[[False, True]]]
    assert plan.seen.item() is True
    assert len(plan.borderline) == 0


def single_point(x: float, y: float, z: float) -> QueryGrid:
    """Return a grid of one voxel centred at a point, exactly."""
    return QueryGrid((1, 1, 1), (x - 1, y - 1, z - 1, x + 1, y + 1, z + 1))


# Digest and input checks


def test_digest_says_what_is_seen() -> None:
    """Moving a camera too little to change what it sees keeps the digest; losing a query changes it."""
    grid = QueryGrid((10, 10), (-50.3, -49.9, -5.0, 51.0, 52.1, 3.0), 2)
    plan = plan_visibility(*toy(), grid)
    matrices, size = toy()
    nudged = matrices.copy()
    nudged[0, 0, 3] += 1e-9
    assert plan_visibility(nudged, size, grid).digest == plan.digest
    assert plan_visibility(*toy((4, 8)), grid).digest != plan.digest
    assert plan_visibility(*toy(), grid, VisibilityRule(min_depth=2e-5)).digest != plan.digest


def test_plan_arrays_are_read_only() -> None:
    """A plan cannot be changed after it was made."""
    plan = plan_visibility(*toy(), QueryGrid((4, 4), RANGE))
    with pytest.raises(ValueError, match="read-only"):
        plan.seen[0, 0] = True


@pytest.mark.parametrize(
    ("matrices", "size", "text"),
    [
        (np.eye(4), [[8, 8]], "N, 4, 4"),
        (np.full((1, 4, 4), np.nan), [[8, 8]], "finite"),
        (np.eye(4)[None], [[8, 8], [8, 8]], "width and height"),
        (np.eye(4)[None], [[8, 0]], "above 0"),
    ],
)
def test_wrong_arrays_are_refused(matrices: np.ndarray, size: list[list[int]], text: str) -> None:
    """A matrix or size of the wrong form is an error that says what was expected."""
    with pytest.raises(InputError, match=text):
        plan_visibility(matrices, size, QueryGrid((2, 2), RANGE))
