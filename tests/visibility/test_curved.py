"""Plans through lenses: what is seen, what rounding decides, and what moved cameras may see, attacked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from specialize.calibration.lens import Lens, lens_of
from specialize.calibration.lens.windshield import Windshield
from specialize.visibility.curved import Curved
from specialize.visibility.envelope import superset_within
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.headroom import headroom
from specialize.visibility.outline import border_by_formula
from specialize.visibility.perturb import rotation
from specialize.visibility.plan import plan_of, plan_visibility
from specialize.visibility.pyramid import Deviation
from tests.calibration.lens.rigs import SPELLED, lens

GRID = QueryGrid((60, 50), (-30.0, -25.0, -3.0, 30.0, 25.0, 2.0), 4)
RULE = VisibilityRule()
EASY = [name for name in sorted(SPELLED) if name != "ftheta_inverse"]  # the others are formulas
SIZE = (1280, 800)
GLASS = Windshield((0.05, 1.0, 0.02, 0.03, 0.0, 0.0), (-0.04, 0.01, 0.0, 0.99, 0.01, 0.0))


def _pose(yaw_rad: float, height_m: float = 0.4) -> np.ndarray:
    """Return camera_from_lidar of a camera that looks along a yaw, half a metre ahead of the lidar."""
    forward = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
    right, down = np.array([forward[1], -forward[0], 0.0]), np.array([0.0, 0.0, -1.0])
    pose = np.eye(4)
    pose[:3, :3] = [right, down, forward]
    pose[:3, 3] = -pose[:3, :3] @ (0.5 * forward + [0.0, 0.0, -height_m])
    return pose


def _cameras(name: str, count: int = 3) -> Curved:
    poses = np.stack([_pose(0.3 + 2 * math.pi * camera / count) for camera in range(count)])
    return Curved.of((lens(name),) * count, poses, [SIZE] * count)


def _seen(cameras: Curved, camera: int, pose: np.ndarray, grid: QueryGrid = GRID) -> np.ndarray:
    """Return (Q,) which queries one camera sees from a pose, point by point by the lens itself."""
    points = grid.points() @ pose[:3, :3].T + pose[:3, 3]
    pixels, valid = cameras.lenses[camera].project(points)
    with np.errstate(invalid="ignore"):
        inside = valid & ((pixels > 0) & (pixels < cameras.size_px[camera])).all(axis=-1)
    return np.asarray(inside.any(axis=-1))


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_a_plan_sees_what_the_lens_sees(name: str) -> None:
    """The plan's pairs are those of projecting every point; where rounding decides, either."""
    cameras = _cameras(name)
    plan = plan_of(cameras, GRID, RULE)
    wanted = np.stack([_seen(cameras, camera, cameras.camera_from_lidar[camera]) for camera in range(3)])
    assert 0.02 < wanted.mean() < 0.98
    assert (plan.seen == wanted).all()
    assert (plan.certain <= wanted).all() and (wanted <= plan.superset).all()


def test_a_cylinder_ends_around_its_own_axis() -> None:
    """Its limit is about columns: points high above it are seen as far as those on the horizon."""
    tall = QueryGrid((40, 40), (-6.0, -6.0, -3.0, 6.0, 6.0, 30.0), 8)
    one = lens_of("cylindrical", SPELLED["cylindrical"][1] | {"fy": 60.0}, max_angle_rad=0.5)
    cameras = Curved.of((one,), _pose(0.2)[None], [SIZE])
    plan = plan_of(cameras, tall, RULE)
    assert (plan.seen[0] == _seen(cameras, 0, _pose(0.2), tall)).all() and plan.pairs


def test_a_plan_sees_through_a_windshield() -> None:
    """Glass that moves the image by tens of pixels moves the plan as well, also where whole blocks are settled."""
    model, parameters = SPELLED["ftheta"]
    grid = QueryGrid((120, 120), (-30.0, -30.0, -3.0, 30.0, 30.0, 2.0), 2)
    for centre in (0.0, 0.5):
        one = lens_of(model, parameters, windshield=GLASS, max_angle_rad=1.1, pixel_centre=centre)
        cameras = Curved.of((one,), _pose(0.4)[None], [SIZE])
        plan = plan_of(cameras, grid, RULE)
        assert (plan.seen[0] == _seen(cameras, 0, _pose(0.4), grid)).all()
        assert (
            plan.seen != plan_of(Curved.of((lens("ftheta"),), _pose(0.4)[None], [SIZE]), grid, RULE).seen
        ).any()


@pytest.mark.parametrize("name", EASY)
def test_a_float32_graph_stays_within_the_borderline(name: str) -> None:
    """The formula in float32 sees nothing beyond the superset and everything that is certain, and rounding matters."""
    grid = QueryGrid((160, 160), (-30.0, -30.0, -3.0, 30.0, 30.0, 2.0), 4)
    cameras = _cameras(name)
    plan = plan_of(cameras, grid, RULE)
    points = grid.points().astype(np.float32)
    for camera, (one, pose) in enumerate(zip(cameras.lenses, cameras.camera_from_lidar, strict=True)):
        rough = pose.astype(np.float32)
        moved = [points @ row[:3] + row[3] for row in rough[:3]]
        with np.errstate(all="ignore"):
            u, v = one.formula(*moved)  # type: ignore[arg-type]
            seen = (u > 0) & (u < SIZE[0]) & (v > 0) & (v < SIZE[1])
            seen &= (one.angle_rad(*moved) < np.float32(one.limit_rad)) & (one.depth(*moved) > 1e-5)  # type: ignore[arg-type]
        assert u.dtype == np.float32
        found = seen.any(axis=-1)
        assert (plan.certain[camera] <= found).all()
        assert (found <= plan.superset[camera]).all()
    assert len(plan.borderline) < 0.01 * plan.seen.size


def test_a_pinhole_lens_is_a_matrix() -> None:
    """A lens without distortion has the same plan as the matrix of its intrinsic."""
    curved = _cameras("pinhole")
    intrinsic = np.eye(4)
    intrinsic[:3, :3] = curved.lenses[0].matrix()
    straight = plan_visibility(intrinsic @ curved.camera_from_lidar, curved.size_px, GRID, RULE)
    through = plan_of(curved, GRID, RULE)
    assert np.array_equal(straight.seen, through.seen)
    assert np.allclose(
        straight.reference_points()[straight.points_seen()], through.reference_points()[through.points_seen()]
    )


def test_the_formula_alone_sees_ghosts() -> None:
    """A mask of the denominator alone counts what is behind a MEI lens; one of the angle does not."""
    cameras = _cameras("mei_kitti360")
    plain = plan_of(cameras, GRID, VisibilityRule(domain="formula"))
    true = plan_of(cameras, GRID, RULE)
    assert (true.seen <= plain.seen).all()
    assert (plain.pairs - true.pairs) / plain.pairs > 0.2
    assert plain.digest != true.digest


def _moves(
    bounds: Deviation, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray, float, np.ndarray]]:
    """Return turns, shifts, focal factors and shifts of the principal point at the edge of all bounds."""
    dice = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        axis, way = (vector / np.linalg.norm(vector) for vector in dice.standard_normal((2, 3)))
        signs = dice.choice([-1.0, 1.0], 3)
        found.append(
            (rotation(bounds.rotation_rad * axis), bounds.translation_m * way,
             1 + signs[0] * bounds.focal_ratio, signs[1:] * bounds.principal_point_px)
        )  # fmt: skip
    return found


@pytest.mark.parametrize("name", [*sorted(SPELLED), "behind glass"])
def test_no_camera_within_bounds_sees_outside_of_the_envelope(name: str) -> None:
    """Cameras turned, shifted and refocused to the very edge see nothing that the superset leaves out."""
    bounds = Deviation(math.radians(1.0), 0.05, 0.01, 4.0)
    cameras = _cameras("ftheta" if name == "behind glass" else name)
    if name == "behind glass":
        model, parameters = SPELLED["ftheta"]
        lenses = (lens_of(model, parameters, windshield=GLASS, max_angle_rad=0.7),) * 3
        cameras = Curved.of(lenses, cameras.camera_from_lidar, cameras.size_px)
    plan = plan_of(cameras, GRID, RULE)
    kept = superset_within(plan, [bounds] * 3)
    assert (plan.superset <= kept).all()
    assert kept.sum() < plan.pairs + 0.12 * kept.size  # no empty promise
    for turn, shift, factor, moved in _moves(bounds, 40, 7):
        for camera in range(3):
            one = cameras.lenses[camera]
            pose = cameras.camera_from_lidar[camera].copy()
            pose[:3, 3] -= shift
            points = GRID.points() @ (turn @ pose)[:3, :3].T + (turn @ pose)[:3, 3]
            pixels, valid = one.project(points)
            centre = np.array([one.parameters["cx"], one.parameters["cy"]])
            pixels = centre + moved + factor * (pixels - centre)
            with np.errstate(invalid="ignore"):
                seen = (valid & ((pixels > 0) & (pixels < SIZE)).all(axis=-1)).any(axis=-1)
            assert (seen <= kept[camera]).all()


@pytest.mark.parametrize("name", ["kannala_brandt", "mei_kitti360", "double_sphere", "ftheta", "radtan"])
def test_an_optimizer_finds_no_way_out(name: str) -> None:
    """Turning the camera straight towards the nearest points outside the envelope does not bring them into view."""
    bounds = Deviation(math.radians(2.0), 0.1)
    cameras = _cameras(name)
    kept = superset_within(plan_of(cameras, GRID, RULE), [bounds] * 3)
    tried = 0
    for camera in range(3):
        one, pose = cameras.lenses[camera], cameras.camera_from_lidar[camera]
        outside = GRID.points()[~kept[camera]].reshape(-1, 3)
        at = outside @ pose[:3, :3].T + pose[:3, 3]
        axis = np.array([0.0, 0.0, 1.0])
        away = np.arccos(at @ axis / np.linalg.norm(at, axis=1))
        for index in np.argsort(away)[:200]:  # those that need the least turn towards the image's centre
            point = at[index]
            towards = np.cross(point, axis)
            turn = rotation(bounds.rotation_rad * towards / np.linalg.norm(towards))[:3, :3]
            side = point - axis * (point @ axis)  # stepping aside brings the point nearer to the axis as well
            stepped = turn @ (point - bounds.translation_m * side / np.linalg.norm(side))
            pixel, valid = one.project(stepped)
            tried += 1
            assert not (valid and (pixel > 0).all() and (pixel < SIZE).all())
    assert tried


FORMULA = VisibilityRule(domain="formula")


def _by_formula(one: Lens, points: np.ndarray) -> np.ndarray:
    """Return which points a mask of the formula alone counts, on either side of the lens's limit."""
    x, y, z = np.moveaxis(points, -1, 0)
    with np.errstate(all="ignore"):
        u, v = one.formula(x, y, z)
        return np.asarray(
            (u > 0) & (u < SIZE[0]) & (v > 0) & (v < SIZE[1]) & (one.depth(x, y, z) > FORMULA.min_depth)
        )


def _breaches(cameras: Curved, kept: np.ndarray, bounds: Deviation) -> int:
    """Return how many queries outside come into view when a camera turns and steps straight towards what it shows.

    Towards the nearest of many directions that the formula shows, in front of the lens and behind it.
    """
    rays = np.random.default_rng(5).standard_normal((300_000, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    breaches = 0
    for camera, pose in enumerate(cameras.camera_from_lidar):
        one = cameras.lenses[camera]
        shown = rays[_by_formula(one, rays)]
        outside = GRID.points()[~kept[camera]].reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3]
        chord, nearest = cKDTree(shown).query(outside / np.linalg.norm(outside, axis=1, keepdims=True))
        for index in np.argsort(chord)[:400]:
            point, wanted = outside[index], shown[nearest[index]]
            axis = np.cross(point, wanted)
            axis /= np.linalg.norm(axis)
            way = np.cross(axis, point) / np.linalg.norm(point)
            turned = rotation(bounds.rotation_rad * axis)[:3, :3] @ (point + bounds.translation_m * way)
            breaches += int(_by_formula(one, turned))
    return breaches


@pytest.mark.parametrize(
    "name", ["pinhole", "kannala_brandt", "mei_kitti360", "mei_below_one", "eucm", "double_sphere"]
)
def test_an_envelope_of_a_formula_holds(name: str) -> None:
    """Ghosts included: neither random moves at the edge nor straight ones show more, and larger ones do."""
    bounds = Deviation(math.radians(1.0), 0.05)
    cameras = _cameras(name)
    plan = plan_of(cameras, GRID, FORMULA)
    kept = superset_within(plan, [bounds] * 3)
    assert (plan.superset <= kept).all() and kept.sum() < plan.pairs + 0.2 * kept.size
    for turn, shift, *_ in _moves(bounds, 30, 11):
        for camera, pose in enumerate(cameras.camera_from_lidar):
            moved = GRID.points() - np.linalg.inv(pose)[:3, :3] @ shift
            seen = _by_formula(cameras.lenses[camera], moved @ (turn @ pose)[:3, :3].T + (turn @ pose)[:3, 3])
            assert (seen.any(axis=-1) <= kept[camera]).all()
    assert _breaches(cameras, kept, bounds) == 0
    assert _breaches(cameras, kept, Deviation(4.0 * bounds.rotation_rad, 4.0 * bounds.translation_m)) > 0


def test_a_formula_shows_more_than_a_lens() -> None:
    """The border that is found has a part beyond the limit, and every ray on it is near a change of what is shown."""
    one = lens("mei_kitti360")
    border, gap = border_by_formula(one, np.zeros(2), np.array(SIZE, np.float64))
    angle = np.arccos(border[:, 2])
    assert (angle > one.limit_rad + 0.2).any() and (angle < one.limit_rad - 0.2).any() and gap < 0.01
    rays = np.random.default_rng(2).standard_normal((100_000, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    shown = _by_formula(one, rays)
    pairs = cKDTree(rays).query_pairs(0.01, output_type="ndarray")
    crossing = pairs[shown[pairs[:, 0]] != shown[pairs[:, 1]]]
    middle = rays[crossing].sum(axis=1)
    chord, _ = cKDTree(border).query(middle / np.linalg.norm(middle, axis=1, keepdims=True))
    assert len(crossing) > 100 and chord.max() <= gap + 0.005


@pytest.mark.parametrize("name", ["kannala_brandt", "mei_kitti360", "eucm", "pinhole", "cylindrical"])
def test_headroom_is_what_a_camera_may_move(name: str) -> None:
    """A camera that moves by 99.9 % of its headroom sees nothing outside; one that turns twice as far does."""
    cameras = _cameras(name)
    plan = plan_of(cameras, GRID, RULE)
    envelope = superset_within(plan, [Deviation(math.radians(1.5), 0.05)] * 3)
    found = headroom(plan, envelope)
    breaches = 0
    for camera, room in enumerate(found):
        assert math.radians(1.4) < room.rotation_rad < math.radians(8) and room.outside == 0
        pose = cameras.camera_from_lidar[camera]
        for turn, shift, *_ in _moves(
            Deviation(0.999 * room.rotation_rad, 0.999 * room.translation_m), 30, 3
        ):
            moved = pose.copy()
            moved[:3, 3] -= shift
            assert (_seen(cameras, camera, turn @ pose) <= envelope[camera]).all()
            assert (_seen(cameras, camera, moved) <= envelope[camera]).all()
        for turn, *_ in _moves(Deviation(2 * room.rotation_rad), 30, 4):
            breaches += bool((_seen(cameras, camera, turn @ pose) & ~envelope[camera]).any())
    assert breaches


def test_a_lens_without_a_border_sees_all() -> None:
    """A lens whose whole circle is inside the image has its rim as the only border."""
    small = lens_of("kannala_brandt", {"fx": 100.0, "fy": 100.0, "cx": 640.0, "cy": 400.0}, max_angle_rad=1.6)
    cameras = Curved.of((small,), _pose(0.0)[None], [SIZE])
    plan = plan_of(cameras, GRID, RULE)
    kept = superset_within(plan, [Deviation(math.radians(1.0))])
    ahead = np.asarray((GRID.points()[..., 0] > 0.6).any(axis=-1))
    assert (plan.seen[0] >= ahead).all() and 0 < (kept & ~plan.seen).sum() < 0.05 * kept.size
