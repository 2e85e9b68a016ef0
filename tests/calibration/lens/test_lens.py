"""Every lens: there and back, where it ends, what its errors are, and what scaling an image does to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from specialize.calibration.lens import LENSES, Rounded, lens_of
from specialize.calibration.lens.monotonic import first_turn, inverse
from specialize.calibration.lens.stacked import alike, stacked
from specialize.calibration.lens.windshield import Windshield
from specialize.errors import InputError
from tests.calibration.lens.rigs import SPELLED, K, lens

ALL = sorted(SPELLED)
POINTS = 20_000


def _directions(count: int, seed: int = 0) -> np.ndarray:
    rays = np.random.default_rng(seed).standard_normal((count, 3))
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def test_the_list_has_every_lens() -> None:
    """No model is without a lens of the list: a new one is tested like the others."""
    assert {lens(name).MODEL for name in ALL} == set(LENSES)


@pytest.mark.parametrize("name", ALL)
def test_a_ray_comes_back(name: str) -> None:
    """Unprojecting what was projected gives the ray to 1e-9, wherever it is valid; distance does not matter."""
    rays = _directions(POINTS)
    far = np.random.default_rng(1).uniform(0.5, 80.0, (POINTS, 1))
    pixels, valid = lens(name).project(rays * far)
    again, back = lens(name).unproject(pixels)
    assert valid.mean() > 0.2
    assert np.array_equal(back, valid)
    assert np.abs(again - rays)[valid].max() < 1e-9
    assert np.isnan(pixels[~valid]).all() and np.isnan(again[~valid]).all()


@pytest.mark.parametrize("name", ALL)
def test_a_pixel_comes_back(name: str) -> None:
    """Projecting where a pixel looks gives the pixel."""
    pixels = np.random.default_rng(2).uniform(100, 1200, (POINTS, 2))
    rays, valid = lens(name).unproject(pixels)
    again, seen = lens(name).project(rays)
    assert valid.any() and np.array_equal(valid, seen)
    assert np.abs(again - pixels)[valid].max() < 1e-8
    assert np.abs(np.linalg.norm(rays[valid], axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("name", ALL)
def test_nothing_beyond_the_limit_is_visible(name: str) -> None:
    """A ray at an angle from the axis is valid up to the limit and nowhere beyond, in whatever direction it lies."""
    one = lens(name)
    angles = np.concatenate([one.limit_rad * np.array([0.5, 0.999, 1.001]), [math.pi]])
    for around in np.linspace(0.1, 6.2, 7):
        side = np.array([math.cos(around), math.sin(around)])
        if one.MODEL == "cylindrical":  # its limit is about the vertical axis alone
            side = np.array([math.copysign(1.0, side[0]), 0.0])
        rays = [[math.sin(a) * side[0], math.sin(a) * side[1], math.cos(a)] for a in angles]
        _, valid = one.project(rays)
        assert valid[:2].all(), around
        if one.limit_rad < math.pi:
            assert not valid[2:].any(), around


@pytest.mark.parametrize("name", ALL)
def test_the_axis_is_at_the_centre(name: str) -> None:
    """What is straight ahead lands on (cx, cy); what is at the camera's centre, and straight behind, nowhere."""
    one = lens(name)
    pixels, valid = one.project([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [0.0, 0.0, -3.0]])
    assert np.allclose(pixels[0], [one.parameters["cx"], one.parameters["cy"]])
    assert valid.tolist() == [True, False, False]


@pytest.mark.parametrize("name", ALL)
def test_no_two_rays_share_a_pixel(name: str) -> None:
    """Inside the limit the image of a small circle of rays keeps its orientation: nothing folds back."""
    one = lens(name)
    rays = _directions(POINTS, 3)
    side = np.cross(rays, [0.3, 0.5, 0.8])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(rays, side)
    step = 1e-6
    (a, fine), (b, first), (c, second) = (
        one.project(rays), one.project(rays + step * side), one.project(rays + step * up)
    )  # fmt: skip
    whole = np.cross(b - a, c - a)[fine & first & second]
    # side, up and the ray itself are a right-handed frame; the camera's image is seen along the ray
    assert (np.sign(whole) == np.sign(whole[0])).all()


def test_points_behind_a_mei_lens_are_no_ghosts() -> None:
    """With xi above 1 the formula maps what is behind the camera into the image; the lens does not."""
    one = lens("mei_kitti360")
    behind = np.array([[0.3, 0.2, -5.0]])
    u, v = one.formula(*behind.T)
    assert 0 < u[0] < 1400 and 0 < v[0] < 1400
    assert not one.project(behind)[1].any()
    assert math.degrees(one.limit_rad) == pytest.approx(math.degrees(math.acos(-1 / 2.2134)), abs=0.5)


def test_a_given_angle_limits() -> None:
    """The lesser of the given angle and the model's own counts."""
    wide = lens_of("kannala_brandt", K, max_angle_rad=1.2)
    assert wide.limit_rad == 1.2
    assert lens_of("pinhole", K, max_angle_rad=3.0).limit_rad == math.pi / 2
    assert not wide.project([[math.sin(1.3), 0.0, math.cos(1.3)]])[1].any()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("centre", [0.0, 0.5])
def test_a_scaled_image_has_a_scaled_lens(name: str, centre: float) -> None:
    """Scaling and cropping the pixels is the same as projecting through the prepared lens, limit included."""
    model, parameters = SPELLED[name]
    one = lens_of(model, parameters, pixel_centre=centre, max_angle_rad=1.5)
    small = one.prepared(0.4, (12.0, 70.0))
    rays = _directions(500)
    pixels, valid = one.project(rays)
    found, still = small.project(rays)
    assert np.array_equal(valid, still) and small.max_angle_rad == 1.5
    assert np.allclose(found[valid], 0.4 * pixels[valid] - [12.0, 70.0], rtol=0, atol=1e-8)


def test_where_a_pixel_has_its_centre() -> None:
    """Parameters that count centres at halves give pixels half a pixel less: centres have whole coordinates."""
    whole, half = lens_of("pinhole", K), lens_of("pinhole", K, pixel_centre=0.5)
    ray = [[0.1, 0.2, 1.0]]
    assert np.allclose(half.project(ray)[0], whole.project(ray)[0] - 0.5)
    assert half.unproject(half.project(ray)[0])[1].all()


def test_a_windshield_bends_rays_before_the_lens() -> None:
    """A windshield that turns rays by its constant terms moves the image, and unprojection undoes it."""
    glass = Windshield((0.01, 1.0, 0.02, 0.03, 0.0, 0.0), (-0.02, 0.01, 0.0, 0.99, 0.01, 0.0))
    one = lens_of("ftheta", SPELLED["ftheta"][1], windshield=glass, max_angle_rad=1.0)
    rays = _directions(POINTS)
    rays = rays[rays[:, 2] > 0.7]
    pixels, valid = one.project(rays)
    plain, _ = lens("ftheta").project(rays)
    assert valid.mean() > 0.9 and np.linalg.norm(pixels - plain, axis=1)[valid].min() > 5
    again, back = one.unproject(pixels)
    assert back[valid].all() and np.abs(again - rays)[valid].max() < 1e-9


@pytest.mark.parametrize("name", ALL)
def test_the_central_pinhole_agrees_around_the_axis(name: str) -> None:
    """Half a millimetre off the axis at a metre, the pinhole of `central` and the lens differ by less than 1e-3 px."""
    one, centre = lens(name), lens(name).central()
    points = np.array([[5e-4, 0.0, 1.0], [0.0, 5e-4, 1.0], [-3e-4, 3e-4, 1.0]])
    straight = points @ centre.T
    assert np.abs(one.project(points)[0] - straight[:, :2] / straight[:, 2:]).max() < 1e-3


@pytest.mark.parametrize("name", [name for name in ALL if name != "ftheta_inverse"])
def test_a_formula_bounds_its_own_rounding(name: str) -> None:
    """Evaluated in float32 a formula is never further off than its bound, and the bound is no empty promise.

    The inverse of a polynomial is an iteration, not a formula: its graph is another one in every model.
    """
    one = lens(name)
    rays = _directions(POINTS, 5) * 7.0
    rays = rays[one.project(rays)[1]]
    small = [np.asarray(column, np.float32) for column in rays.T]
    exact = one.formula(*(column.astype(np.float64) for column in small))
    rough = one.formula(*small)  # numpy keeps float32 with Python's constants
    bounded = one.formula(*(Rounded(c.astype(np.float64), 0.0, 2.0**-24) for c in small))  # type: ignore[arg-type]
    for found, wanted, bound in zip(rough, exact, bounded, strict=True):
        off = np.abs(found.astype(np.float64) - wanted)
        assert (off <= bound.error).all()  # type: ignore[attr-defined]
        inside = np.abs(wanted) < 2000
        assert np.median(bound.error[inside]) < 0.02  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        ("mei", K | {"xi": -0.1}, "lens.parameters.xi"),
        ("mei", K, "no xi"),
        ("mei", K | {"xi": 1.0, "q1": 0.0}, "q1"),
        ("eucm", K | {"alpha": 1.2, "beta": 1.0}, "alpha from 0 to 1"),
        ("eucm", K | {"alpha": 0.5, "beta": 0.0}, "beta above 0"),
        ("double_sphere", K | {"alpha": 0.5, "xi": -1.0}, "xi above -1"),
        ("pinhole", K | {"fx": 0.0}, "focal length above 0"),
        ("pinhole", K | {"cx": float("nan")}, "finite"),
        ("ftheta", {"cx": 1.0, "cy": 1.0}, "reference polynomial"),
        ("ftheta", {"cx": 1.0, "cy": 1.0, "a0": 2.0, "a1": 900.0}, "at the centre"),
        ("radial_poly", {"cx": 1.0, "cy": 1.0, "k1": -3.0, "k2": 0.0, "k3": 0.0, "k4": 0.0}, "sees ahead"),
        ("fish", K, "a known lens"),
        ("mei", K | {"xi": 1.0, "gamma1": 3.0}, ""),
    ],
)
def test_a_lens_that_cannot_be_is_refused(model: str, parameters: dict[str, float], said: str) -> None:
    """Missing, unknown and impossible parameters get an error that names them."""
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        lens_of(model, parameters)


def test_a_coefficient_that_is_next_to_nothing() -> None:
    """Numbers at the end of float64 are no coefficients: the fold is found without them."""
    for name in ("k1", "k2", "k3"):
        assert lens_of("plumb_bob", K | {name: 1e-320}).limit_rad == math.pi / 2
        assert lens_of("equidistant", K | {name: 1e-320}).limit_rad == math.pi


def test_a_width_is_the_angle_between_the_borders() -> None:
    """The field of view of a pinhole is that of its borders; a lens whose circle is inside the image has its limit."""
    assert lens_of("pinhole", K).width_rad(1280) == pytest.approx(2 * math.atan(640 / 600))
    small = lens_of("kannala_brandt", K | {"fx": 100.0, "fy": 100.0}, max_angle_rad=1.6)
    assert small.width_rad(1280) == pytest.approx(3.2)


@pytest.mark.parametrize("name", ALL)
def test_stacked_lenses_are_each_of_them(name: str) -> None:
    """Points of several cameras through one lens of arrays: pixels, angles, depths and bounds to the last bit."""
    first = lens(name)
    others = [first.like({key: value * (1 + 1e-3 * step) if key != "reference" else value
                          for key, value in first.parameters.items()}) for step in (0, 1, 3)]  # fmt: skip
    assert len({alike(each) for each in others}) == (3 if name == "ftheta_inverse" else 1)
    if name == "ftheta_inverse":
        return  # solved by iteration, one lens at a time
    counts = [40, 0, 25]
    points = _directions(65, 9)
    bounded = [Rounded(column, 1e-6, 2.0**-24) for column in points.T]
    whole = stacked(others, counts)
    with np.errstate(all="ignore"):
        found = [*whole.formula(*bounded), whole.angle_rad(*bounded), whole.depth(*bounded)]  # type: ignore[arg-type]
    limit = np.broadcast_to(whole.limit_rad, 65)
    for one, part in ((others[0], slice(0, 40)), (others[2], slice(40, 65))):
        own = [Rounded(column, 1e-6, 2.0**-24) for column in points[part].T]
        with np.errstate(all="ignore"):
            wanted = [*one.formula(*own), one.angle_rad(*own), one.depth(*own)]  # type: ignore[arg-type]
        for each, alone in zip(found, wanted, strict=True):
            assert np.array_equal(each.value[part], alone.value, equal_nan=True)  # type: ignore[attr-defined]
            error, own_error = (np.broadcast_to(one.error, one.value.shape) for one in (each, alone))  # type: ignore[attr-defined]
            assert np.array_equal(error[part], own_error, equal_nan=True)
        assert (limit[part] == one.limit_rad).all()


def test_lenses_that_are_not_alike_are_told_apart() -> None:
    """By model, by coefficients that are 0, by glass, and by where pixels have their centres."""
    one = lens("mei_kitti360")
    assert alike(one) != alike(one.like(dict(one.parameters) | {"p1": 0.0}))
    assert alike(one) != alike(lens("mei_below_one")) != alike(lens("eucm"))
    assert alike(one) != alike(lens_of("mei", one.parameters, pixel_centre=0.5))


def test_newtons_steps_stay_in_their_bracket() -> None:
    """Steps from a slope of nearly 0 would leave the bracket: they are halved, and end at the root."""

    def rising(x: np.ndarray) -> np.ndarray:
        return np.arctan(20 * (x - 2.0)) + np.arctan(40.0)

    def slope(x: np.ndarray) -> np.ndarray:
        return 20 / (1 + (20 * (x - 2.0)) ** 2)

    wanted = np.linspace(0.01, float(rising(np.full(1, 3.0))[0]) - 1e-6, 50)
    found = inverse(rising, slope, wanted, 3.0)
    np.testing.assert_allclose(rising(found), wanted, rtol=0, atol=1e-9)


def test_a_polynomial_ends_at_its_first_turn() -> None:
    """One that falls and rises again ends where it first stops rising."""
    # its slope is (1 - x) (2 - x) / 2
    assert first_turn((0.0, 1.0, -0.75, 1 / 6), 3.0) == pytest.approx(1.0)
