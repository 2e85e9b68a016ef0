"""Envelopes hold everything that any calibration within the bounds can see, and not much more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.errors import InputError
from specialize.visibility.envelope import certified_superset, deviation_of, deviations, envelope_over
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.plan import plan_visibility
from specialize.visibility.pyramid import Deviation, camera_centre
from tests import strategies
from tests.visibility import moving, plain, shared_rigs

RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
PILLARS = QueryGrid((50, 50), RANGE, 4)
SOME = Deviation(math.radians(0.5), 0.03, 0.005, 2.0)
NOISE = st.floats(0.0, 1.0)


def superset_of(rig: strategies.Rig, grid: QueryGrid, allowed: Deviation) -> np.ndarray:
    """Return the certified superset of a rig whose cameras all have the same bounds."""
    return certified_superset(rig.image_from_lidar, rig.size_px, grid, [allowed] * len(rig))


# Certified


@pytest.mark.parametrize(
    "allowed",
    [
        SOME,
        Deviation(rotation_rad=math.radians(2)),
        Deviation(translation_m=1.65),
        Deviation(focal_ratio=0.05, principal_point_px=20),
        Deviation(math.radians(10), 3.0, 0.2, 50.0),
    ],
)
def test_moves_at_the_edge_never_leave(allowed: Deviation) -> None:
    """Of 1200 moves at the edge, most of them aimed at one border, none lets a graph see a query outside."""
    rig, random = strategies.ring(), np.random.default_rng(7)
    kept = superset_of(rig, PILLARS, allowed)
    moves = moving.worst_moves(allowed, random, 1000)
    moves += [moving.random_move(allowed, random, edge=True) for _ in range(200)]
    for start in range(0, len(moves), len(rig)):
        batch = moves[start : start + len(rig)]
        for shift in (0, 3):  # each move is made by two of the cameras
            cameras = [(index + shift) % len(rig) for index in range(len(batch))]
            matrices = [
                moving.moved(rig.intrinsic[index], rig.camera_from_lidar[index], move)
                for index, move in zip(cameras, batch, strict=True)
            ]
            actual = plan_visibility(np.array(matrices), rig.size_px[cameras], PILLARS)
            assert not (actual.superset & ~kept[cameras]).any()


@given(
    strategies.rigs(),
    strategies.grids(),
    st.tuples(NOISE, NOISE, NOISE, NOISE),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_no_move_within_bounds_leaves(
    rig: strategies.Rig, grid: QueryGrid, shares: tuple[float, float, float, float], seed: int, edge: bool
) -> None:
    """For any rig, grid and bounds, up to large ones, a random move within them sees nothing outside."""
    allowed = Deviation(shares[0] ** 3 * 1.6, shares[1] ** 3 * 5, shares[2] ** 3 * 0.9, shares[3] ** 3 * 300)
    kept = superset_of(rig, grid, allowed)
    random = np.random.default_rng(seed)
    for _ in range(5):
        matrices = np.array(
            [
                moving.moved(intrinsic, pose, moving.random_move(allowed, random, edge))
                for intrinsic, pose in zip(rig.intrinsic, rig.camera_from_lidar, strict=True)
            ]
        )
        assert not (plan_visibility(matrices, rig.size_px, grid).superset & ~kept).any()


def test_float32_masks_of_moved_cameras_stay_inside() -> None:
    """What float32 graphs compute for moved cameras is inside, with no slack taken from the plan."""
    rig, random = strategies.ring(), np.random.default_rng(3)
    kept = superset_of(rig, PILLARS, SOME)
    for _ in range(20):
        pairs = zip(
            rig.intrinsic, rig.camera_from_lidar, moving.worst_moves(SOME, random, len(rig)), strict=True
        )
        matrices = np.array([moving.moved(*pair) for pair in pairs])
        for mask in plain.float32_masks(matrices, rig.size_px, PILLARS, VisibilityRule()):
            assert not (mask & ~kept).any()


def test_rounding_of_a_moved_camera_stays_inside() -> None:
    """Along the border of a camera displaced to the very edge float32 sees more than exact arithmetic."""
    intrinsic, pose = np.array([[4.0, 0, 4], [0, 4, 4], [0, 0, 1]]), strategies.looking(0, 0, 0, np.zeros(3))
    nominal, size_px = strategies.product(intrinsic[None], pose[None]), np.array([[8, 8]])
    beyond_exact = 0
    for shift in (0.3, 0.35, 0.4, 0.45):  # to the right and back: the right border moves out by its length
        grid = QueryGrid((100, 100), (200 + 2 * shift, 200, -1, 200.001 + 2 * shift, 200.001, 1))
        outward = moving.Move(np.zeros(3), np.array([shift, 0.0, -shift]), np.zeros(2), np.zeros(2))
        matrix = moving.moved(intrinsic, pose, outward)[None]
        kept = certified_superset(nominal, size_px, grid, [Deviation(translation_m=shift * math.sqrt(2))])
        exact = plan_visibility(matrix, size_px, grid).seen
        for mask in plain.float32_masks(matrix, size_px, grid, VisibilityRule()):
            beyond_exact += np.count_nonzero(mask & ~exact)
            assert not (mask & ~kept).any()
    assert beyond_exact > 0


def test_a_superset_that_is_too_small_is_caught() -> None:
    """The same moves do leave the envelope of half the bounds: the tests above can fail."""
    rig, random = strategies.ring(), np.random.default_rng(7)
    half = Deviation(SOME.rotation_rad / 2, SOME.translation_m / 2, SOME.focal_ratio / 2, 1.0)
    kept = superset_of(rig, PILLARS, half)
    pairs = zip(rig.intrinsic, rig.camera_from_lidar, moving.worst_moves(SOME, random, len(rig)), strict=True)
    actual = plan_visibility(np.array([moving.moved(*pair) for pair in pairs]), rig.size_px, PILLARS)
    assert (actual.seen & ~kept).any()


# Not much more


@pytest.mark.parametrize(
    ("allowed", "most_percent"),
    [
        (Deviation(math.radians(0.5), 0.03, 0.005), 2.5),
        (Deviation(math.radians(1), 0.05, 0.01), 4.5),
        (Deviation(math.radians(2), 0.10, 0.02), 8.5),
    ],
)
def test_the_envelope_is_not_loose(allowed: Deviation, most_percent: float) -> None:
    """Certified bounds cost a few per cent of the pairs, and moves at the edge reach most of these."""
    rig, random = strategies.ring(), np.random.default_rng(1)
    grid = QueryGrid((100, 100), RANGE, 4)
    nominal = plan_visibility(rig.image_from_lidar, rig.size_px, grid)
    kept = superset_of(rig, grid, allowed)
    reached = nominal.seen.copy()
    for _ in range(60):
        pairs = zip(
            rig.intrinsic, rig.camera_from_lidar, moving.worst_moves(allowed, random, len(rig)), strict=True
        )
        matrices = np.array([moving.moved(*pair) for pair in pairs])
        reached |= plan_visibility(matrices, rig.size_px, grid).seen
    added = kept.sum() - nominal.pairs
    assert added / nominal.pairs * 100 < most_percent
    assert (reached.sum() - nominal.pairs) / added > 0.85


@pytest.mark.parametrize("cameras", [1, 5, 6, 8])
def test_no_deviation_adds_only_what_rounding_may(cameras: int) -> None:
    """With all bounds zero the envelope is the plan's superset, but for a handful of points on borders."""
    rig = strategies.ring(cameras)
    grid = QueryGrid((200, 200), RANGE, 4)
    plan = plan_visibility(rig.image_from_lidar, rig.size_px, grid)
    kept = superset_of(rig, grid, Deviation())
    assert not (plan.superset & ~kept).any()
    assert (kept & ~plan.superset).sum() <= 2 * cameras


@given(strategies.rigs(), strategies.grids(), st.tuples(NOISE, NOISE, NOISE), NOISE)
def test_wider_bounds_never_lose_a_query(
    rig: strategies.Rig, grid: QueryGrid, shares: tuple[float, float, float], factor: float
) -> None:
    """Shrinking all bounds by a factor keeps the envelope inside the larger one."""
    wide = Deviation(shares[0] * 0.2, shares[1] * 2, shares[2] * 0.5, shares[2] * 30)
    narrow = Deviation(
        wide.rotation_rad * factor,
        wide.translation_m * factor,
        wide.focal_ratio * factor,
        wide.principal_point_px * factor,
    )
    assert not (superset_of(rig, grid, narrow) & ~superset_of(rig, grid, wide)).any()


@pytest.mark.parametrize("rotation_rad", [0.0, 1.0])
def test_points_nearer_than_the_displacement_are_kept(rotation_rad: float) -> None:
    """A camera that may be anywhere within a metre may see everything within a metre, also behind it."""
    rig = strategies.ring(1)
    grid = QueryGrid((9, 9), (-1.0, -0.2, -1.0, 1.0, 1.8, 1.0))
    near = np.linalg.norm(grid.points()[:, 0] - camera_centre(rig.image_from_lidar[0]), axis=-1) < 1
    assert near.any()
    assert superset_of(rig, grid, Deviation(rotation_rad, translation_m=1.0))[0][near].all()


@pytest.mark.parametrize("rotation_rad", [math.pi / 2, 2.0, math.pi, 10.0])
def test_a_camera_that_may_look_anywhere_may_see_everything(rotation_rad: float) -> None:
    """From a right angle on, a rotation can bring every point into view."""
    assert superset_of(strategies.ring(2), PILLARS, Deviation(rotation_rad)).all()


# Ego motion


@pytest.mark.parametrize(
    ("speed", "rate_deg", "skew"), [(33.0, 5.0, 0.05), (14.0, 29.0, 0.043), (8.0, 90.0, 0.1)]
)
def test_a_moving_vehicle_never_leaves(speed: float, rate_deg: float, skew: float) -> None:
    """Driving straight, sideways or in curves within the bounds, forwards or back, sees nothing outside."""
    rig, random = strategies.ring(), np.random.default_rng(5)
    ego_from_lidar = np.eye(4)
    ego_from_lidar[:3, 3] = [1.2, 0.1, 1.8]
    centres = [ego_from_lidar[:3, 3] + camera_centre(matrix) for matrix in rig.image_from_lidar]
    bounds = Tolerance(ego_speed_mps=speed, yaw_rate_degps=rate_deg, time_skew_s=skew)
    allowed = [deviation_of(bounds, 1.0, float(np.linalg.norm(centre)), skew) for centre in centres]
    kept = certified_superset(rig.image_from_lidar, rig.size_px, PILLARS, allowed)
    for _ in range(300):
        step = np.eye(4)  # pose of the vehicle at exposure, seen from its pose at the lidar's time
        axis = random.choice([np.array([0.0, 0.0, 1.0]), moving.unit(random.normal(size=3))], axis=0)
        step[:3, :3] = strategies.rotation(axis * math.radians(rate_deg) * skew * random.choice([-1, 1]))
        step[:3, 3] = moving.unit(random.normal(size=3)) * speed * skew
        compensation = np.linalg.inv(ego_from_lidar) @ np.linalg.inv(step) @ ego_from_lidar
        actual = plan_visibility(rig.image_from_lidar @ compensation, rig.size_px, PILLARS)
        assert not (actual.superset & ~kept).any()


def test_deviations_take_offsets_levers_and_scale_from_the_profile() -> None:
    """Motion lasts for the camera's offset plus the skew, pixels are scaled, each camera has its own."""
    rig = strategies.ring(2)
    tolerance = Tolerance(1.0, 0.02, 0.5, 4.0, ego_speed_mps=10.0, yaw_rate_degps=20.0, time_skew_s=0.01)
    cameras = [
        Camera.pinhole("a", (800, 480), rig.intrinsic[0], rig.camera_from_lidar[0], tolerance=tolerance),
        Camera.projective("b", (800, 480), rig.image_from_lidar[1], time_offset_s=-0.04, tolerance=tolerance),
    ]
    lidar = np.eye(4)
    lidar[:3, 3] = [1.0, 0.0, 2.0]
    first, second = deviations(CalibrationProfile("v", tuple(cameras), lidar), [0.5, 1.0])
    assert first.rotation_rad == pytest.approx(math.radians(1.0 + 20.0 * 0.01))
    assert second.rotation_rad == pytest.approx(math.radians(1.0 + 20.0 * 0.05))
    assert (first.principal_point_px, second.principal_point_px) == (2.0, 4.0)
    assert first.focal_ratio == 0.005
    lever = float(np.linalg.norm([1.0, 0.8, 1.7]))
    assert first.translation_m == pytest.approx(0.12 + 2 * math.sin(math.radians(0.1)) * (lever + 0.02))
    assert all(
        one == Deviation() for one in deviations(CalibrationProfile("v", tuple(cameras)), 1.0, Tolerance())
    )


# Real drives


@pytest.mark.parametrize(
    ("log", "static", "frames", "loss"),
    [
        ("nuscenes_n008-2018-08-01", "nuscenes_n008_2018-07-26_to_2018-09-18", 40, 0.004),
        ("nuscenes_n015-2018-10-08", "nuscenes_n015_2018-07-11_to_2018-11-21", 41, 0.01),
    ],
)
def test_real_drives(log: str, static: str, frames: int, loss: float) -> None:
    """In a moving car one static calibration loses pairs; both kinds of envelope lose none."""
    grid = QueryGrid((200, 200), RANGE, 4)
    drive, rest = shared_rigs.frames(log), shared_rigs.rig(static)
    assert len(drive) == frames
    plans = [plan_visibility(frame.image_from_lidar, frame.size_px, grid) for frame in drive]
    nominal = plan_visibility(rest.image_from_lidar, rest.size_px, grid)
    lost = max((plan.seen & ~nominal.seen).sum() / plan.pairs for plan in plans)
    assert loss < lost < 0.016

    over = envelope_over([frame.image_from_lidar for frame in drive], rest.size_px, grid)
    cost = over.sum() / np.mean([plan.pairs for plan in plans]) - 1
    assert not any((plan.superset & ~over).any() for plan in plans)
    assert 0.003 < cost < 0.03

    assert rest.ego_from_lidar is not None
    centres = [rest.ego_from_lidar @ np.append(camera_centre(matrix), 1) for matrix in rest.image_from_lidar]
    bounds = Tolerance(ego_speed_mps=9.5, yaw_rate_degps=30, time_skew_s=0.05)
    allowed = [deviation_of(bounds, 1.0, float(np.linalg.norm(centre[:3])), 0.05) for centre in centres]
    certified = certified_superset(rest.image_from_lidar, rest.size_px, grid, allowed)
    assert not any((plan.superset & ~certified).any() for plan in plans)
    assert certified.sum() / nominal.pairs - 1 < 0.08

    offsets = np.max([np.abs(frame.offset_s) for frame in drive], axis=0)
    allowed = [
        deviation_of(bounds, 1.0, float(np.linalg.norm(centre[:3])), offset + 0.001)
        for centre, offset in zip(centres, offsets, strict=True)
    ]
    closer = certified_superset(rest.image_from_lidar, rest.size_px, grid, allowed)
    assert not any((plan.superset & ~closer).any() for plan in plans)
    assert closer.sum() / nominal.pairs - 1 < 0.04


# Input checks


def test_wrong_bounds_are_refused() -> None:
    """Negative or absurd bounds, and a wrong number of them, are errors that name them."""
    with pytest.raises(InputError, match="rotation_rad"):
        Deviation(rotation_rad=-1.0)
    with pytest.raises(InputError, match="focal_ratio"):
        Deviation(focal_ratio=1.0)
    rig = strategies.ring(2)
    with pytest.raises(InputError, match="one deviation per camera"):
        certified_superset(rig.image_from_lidar, rig.size_px, PILLARS, [SOME])
    with pytest.raises(InputError, match="at least one calibration"):
        envelope_over([], rig.size_px, PILLARS)


def test_a_matrix_without_a_centre_is_refused() -> None:
    """A parallel projection has no camera centre, and the error says so."""
    flat = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="centre"):
        camera_centre(flat)
