"""Lenses against those who defined them.

`oracles.json` holds what OpenCV and NVIDIA NCore answered (`make lens-oracles`); the other models are compared with
their papers' formulas, written here once more: backwards where the paper has a closed inverse.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.lens_node import read_lens
from specialize.calibration.node import Node
from specialize.errors import InputError
from specialize.witness.lens import lens_of, seen_through
from tests.calibration.lens.lenses import EVERY, limits_rad

ORACLES = json.loads((Path(__file__).parent / "oracles.json").read_text(encoding="utf-8"))["lenses"]
MANY = 100_000
CLOSE_PX = 1e-9


def by_witness(spelled, points):
    return seen_through(lens_of(spelled), np.asarray(points, np.float64))


def by_compiler(spelled, points):
    return read_lens(Node(spelled, "profile.yaml", "lens")).project(np.asarray(points, np.float64))


SEERS = {"witness": by_witness, "compiler": by_compiler}
"""Every implementation by name: a profile's `lens:` and points (..., 3) in, pixels and which are valid out."""


@pytest.fixture(params=SEERS)
def seer(request):
    return SEERS[request.param]


def everywhere(count: int = MANY):
    """Return (count, 3) points in all directions, 0.5 to 60 m away."""
    draw = np.random.default_rng(7)
    rays = draw.normal(size=(count, 3))
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True) * draw.uniform(0.5, 60, (count, 1))


def angles_rad(points):
    return np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])


def bent(spelled, **changes):
    return {**spelled, "parameters": {**spelled["parameters"], **changes}}


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda each: f"{each['oracle']}-{each['name']}")
def test_every_lens_puts_points_where_its_maker_does(oracle, seer):
    """OpenCV's and NCore's own projections, in 64 bits, to a billionth of a pixel."""
    pixels, valid = seer(oracle["lens"], oracle["points_m"])
    assert valid.all()
    np.testing.assert_allclose(pixels, oracle["pixels"], rtol=0, atol=CLOSE_PX)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda each: f"{each['oracle']}-{each['name']}")
def test_the_oracles_notice_every_parameter(oracle, seer):
    """A parameter that is off by a thousandth is no longer its maker's lens: none of the figures is idle."""
    parameters = oracle["lens"]["parameters"]
    unused = ("a" if parameters.get("reference") else "b", "reference") if "a1" in parameters else ()
    for name, value in parameters.items():
        if name.startswith(unused):
            continue
        pixels, _ = seer(bent(oracle["lens"], **{name: value * 1.001}), oracle["points_m"])
        assert np.nanmax(np.abs(pixels - oracle["pixels"])) > 10 * CLOSE_PX, name


def test_eucm_is_the_inverse_of_its_papers_unprojection(seer):
    """Khomutenko et al. 2016, equation 25: unproject pixels, and the rays come back to them."""
    for name in ("eucm", "eucm flat"):
        p = EVERY[name]["parameters"]
        points = everywhere()
        pixels, valid = seer(EVERY[name], points)
        m = (pixels[valid] - [p["cx"], p["cy"]]) / [p["fx"], p["fy"]]
        r2 = (m**2).sum(-1)
        a, b = p["alpha"], p["beta"]
        z = (1 - b * a * a * r2) / (a * np.sqrt(1 - (2 * a - 1) * b * r2) + 1 - a)
        assert_same_direction(np.concatenate([m, z[:, None]], -1), points[valid])


def test_double_sphere_is_the_inverse_of_its_papers_unprojection(seer):
    """Usenko et al. 2018, equations 46 to 50."""
    for name in ("double_sphere", "double_sphere far"):
        p = EVERY[name]["parameters"]
        points = everywhere()
        pixels, valid = seer(EVERY[name], points)
        m = (pixels[valid] - [p["cx"], p["cy"]]) / [p["fx"], p["fy"]]
        r2 = (m**2).sum(-1)
        a, xi = p["alpha"], p["xi"]
        z = (1 - a * a * r2) / (a * np.sqrt(np.maximum(0, 1 - (2 * a - 1) * r2)) + 1 - a)
        front = (z * xi + np.sqrt(np.maximum(0, z * z + (1 - xi * xi) * r2))) / (z * z + r2)
        rays = front[:, None] * np.concatenate([m, z[:, None]], -1) - [0, 0, xi]
        assert_same_direction(rays, points[valid])


def assert_same_direction(rays, points):
    """Assert that directions agree to 1e-6 rad: at the edge of a domain an inverse loses half of its digits."""
    unit = points / np.linalg.norm(points, axis=-1, keepdims=True)
    apart = np.linalg.norm(rays / np.linalg.norm(rays, axis=-1, keepdims=True) - unit, axis=-1)
    assert len(apart) > MANY / 10
    assert np.quantile(apart, 0.99) < 1e-12
    assert apart.max() < 1e-6


def test_woodscape_puts_points_where_its_readme_does(seer):
    """The front camera's published parameters; one point after another, as calibration_readme.txt says it."""
    p = EVERY["radial_poly"]["parameters"]
    points = everywhere(2000)
    pixels, valid = seer(bent(EVERY["radial_poly"], aspect=1.02), points)
    for (x, y, z), pixel, seen in zip(points, pixels, valid, strict=True):
        chi = math.sqrt(x * x + y * y)
        theta = math.pi / 2 - math.atan2(z, chi)
        rho = p["k1"] * theta + p["k2"] * theta**2 + p["k3"] * theta**3 + p["k4"] * theta**4
        if seen:
            assert pixel[0] == pytest.approx(rho * x / chi + 3.942 + 1280 / 2 - 0.5, abs=CLOSE_PX)
            assert pixel[1] == pytest.approx(1.02 * rho * y / chi - 3.093 + 966 / 2 - 0.5, abs=CLOSE_PX)


def test_fisheye62_is_six_odd_powers_and_two_tangential_terms(seer):
    """Project Aria's FisheyeRadTan without thin prism: one point after another."""
    p = EVERY["fisheye62"]["parameters"]
    points = everywhere(2000)
    pixels, valid = seer(EVERY["fisheye62"], points)
    for (x, y, z), pixel in zip(points[valid], pixels[valid], strict=True):
        r = math.sqrt(x * x + y * y)
        theta, scale = math.atan2(r, z), 1.0
        for place in range(6):
            scale += p.get(f"k{place}", 0.0) * theta ** (2 * (place + 1))
        a, b = x * theta / r * scale, y * theta / r * scale
        square = a * a + b * b
        dot = 2 * (a * p["p0"] + b * p["p1"])
        u, v = a + dot * a + square * p["p0"], b + dot * b + square * p["p1"]
        assert pixel == pytest.approx([p["fx"] * u + p["cx"], p["fy"] * v + p["cy"]], abs=CLOSE_PX)


def test_a_cylinder_keeps_verticals_straight_and_sees_around(seer):
    """Columns are azimuths, rows are heights over the distance from the cylinder's axis."""
    pixels, valid = seer(EVERY["cylindrical"], [[0, 0, 2], [3, -3, 0], [-1, 1, -1e-9], [1, 0, -1], [0, 1, 0]])
    assert valid.tolist() == [True, True, True, True, False]
    columns = [641.5, 641.5 + 610 * math.pi / 2, 641.5 - 610 * math.pi / 2, 641.5 + 610 * 3 * math.pi / 4]
    np.testing.assert_allclose(pixels[:4, 0], columns, atol=1e-5)
    np.testing.assert_allclose(pixels[:4, 1], [480.25, 480.25 - 605, 480.25 + 605, 480.25], atol=1e-5)


@pytest.mark.parametrize("name", limits_rad())
def test_nothing_is_seen_from_the_fold_on(name, seer):
    """Points of all directions: those are valid that lie before the limit, and no others."""
    limit, points = limits_rad()[name], everywhere()
    _, valid = seer(EVERY[name], points)
    angle = angles_rad(points)
    if (
        EVERY[name]["model"] == "mei" and "p1" in EVERY[name]["parameters"]
    ):  # tangential parts fold a little earlier
        assert not valid[angle >= limit].any()
        assert valid[angle < limit - 0.05].all()
    else:
        assert (valid == (angle < limit))[np.abs(angle - limit) > 1e-9].all()


@pytest.mark.parametrize("name", EVERY)
def test_images_never_turn_back(name, seer):
    """Along every meridian the image of what is valid moves outwards: no two rays share a pixel."""
    theta = np.linspace(1e-3, math.pi - 1e-3, 5000)
    for phi in np.linspace(0, 2 * math.pi, 12, endpoint=False) + 0.1:
        rays = np.stack([np.sin(theta) * math.cos(phi), np.sin(theta) * math.sin(phi), np.cos(theta)], -1)
        pixels, valid = seer(EVERY[name], rays)
        assert valid[:100].all()
        along = np.linalg.norm(pixels - seer(EVERY[name], [[0, 0, 1]])[0], axis=-1)
        if name != "cylindrical":  # which sees the axis of the camera from both ends
            assert not valid[np.argmin(valid) :].any() or valid.all()
            assert (np.diff(along[valid]) > 0).all()


@pytest.mark.parametrize("name", EVERY)
def test_a_given_angle_ends_the_image(name, seer):
    """`max_angle_rad` counts where it is less than the lens's own limit; a cylinder's is that around its axis."""
    points = everywhere(20_000)
    narrow = {**EVERY[name], "max_angle_rad": 0.6}
    angle = angles_rad(points) if name != "cylindrical" else np.abs(np.arctan2(points[:, 0], points[:, 2]))
    pixels, valid = seer(narrow, points)
    assert (valid == (angle < 0.6)).all()
    assert np.isnan(pixels[~valid]).all()
    np.testing.assert_array_equal(pixels[valid], seer(EVERY[name], points)[0][valid])


@pytest.mark.parametrize("name", EVERY)
def test_the_axis_lands_on_the_centre_and_nothing_behind_it(name, seer):
    """The axis has no direction across: it is the principal point; behind, and in the camera, is nothing."""
    pixels, valid = seer(EVERY[name], [[0, 0, 3.0], [0, 0, -3.0], [0, 0, 0]])
    assert valid.tolist() == [True, False, False]
    p = EVERY[name]["parameters"]
    np.testing.assert_allclose(pixels[0], [p["cx"], p["cy"]], atol=CLOSE_PX)


def test_pixel_centres_at_halves_move_the_image_by_half_a_pixel(seer):
    """Parameters that count centres at halves give half a pixel more than pixels do."""
    points = everywhere(1000)
    whole, _ = seer(EVERY["eucm"], points)
    half, _ = seer({**EVERY["eucm"], "pixel_centre": 0.5}, points)
    np.testing.assert_array_equal(half, whole - 0.5)


def test_words_are_numbers_and_aliases_are_names():
    """The witness reads a profile as words: numbers as text, models and parameters by other formats' names."""
    numbers = {
        "model": "mei",
        "parameters": {"fx": 500.0, "fy": 501.0, "cx": 9.0, "cy": 8.0, "xi": 1.5, "k1": 0.1},
    }
    words = {
        "model": "omni",
        "parameters": {
            "gamma1": "500",
            "gamma2": "501.0",
            "u0": "9",
            "v0": "8",
            "xi": "1.5",
            "k1": "0.1",
            "k2": "~",
        },
        "max_angle_rad": "null",
        "pixel_centre": "0",
    }
    points = everywhere(1000)
    np.testing.assert_array_equal(by_witness(words, points)[0], by_witness(numbers, points)[0])


def test_a_name_that_a_lens_lacks_is_an_error():
    """A parameter that no formula uses would be left out in silence."""
    with pytest.raises(InputError, match=r"lens\.model"):
        lens_of({"model": "magic", "parameters": {}})
    with pytest.raises(InputError, match=r"lens\.parameters\.k9"):
        lens_of({"model": "mei", "parameters": {"k9": 1.0}})
