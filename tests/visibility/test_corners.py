"""What corners settle: interpolation is never wrong by more than its bound, and settled points are what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from specialize.calibration.lens import Lens, lens_of
from specialize.visibility import corners
from specialize.visibility.blocks import SIZE, Quantity, settle_blocks
from specialize.visibility.corners import NEAR_PX, Corners
from specialize.visibility.grid import QueryGrid, VisibilityRule
from tests.calibration.lens.lenses import EVERY
from tests.calibration.lens.rigs import SPELLED, lens

SIZE_PX = np.array([1280, 800])
GRID = QueryGrid((90, 110), (-30.0, -25.0, -3.0, 30.0, 25.0, 2.0), 3)
BLOCKS = 4000
LENSES = {name: lens(name) for name in SPELLED} | {
    name: lens_of(each["model"], each["parameters"]) for name, each in EVERY.items()
}


def _blocks(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corners (3, B, 2, 2) of blocks of all slants, nine places in a block, and points (3, B, 9) there."""
    dice = np.random.default_rng(seed)
    middle = dice.standard_normal((3, BLOCKS)) * dice.uniform(1.0, 60.0, BLOCKS)
    sides = np.linalg.qr(dice.standard_normal((BLOCKS, 3, 2)))[0] * SIZE / 2  # half a side each, m
    place = dice.uniform(-1, 1, (9, 2))
    at = np.array([[(-1, -1), (1, -1)], [(-1, 1), (1, 1)]], np.float64)  # rows, columns, (along, across)
    corner = middle[:, :, None, None] + np.einsum("bks,rcs->kbrc", sides, at)
    return corner, place, middle[:, :, None] + np.einsum("bks,ps->kbp", sides, place)


def _wrong(one: Lens, rule: VisibilityRule) -> tuple[np.ndarray, np.ndarray]:
    """Return how far interpolated columns and rows are off by what the bound allows, and which blocks have one."""
    corner, place, points = _blocks(3)
    decides = Corners.of(one, SIZE_PX, rule)
    x, y, z = corner
    quantities = decides.at(x, y, z, SIZE / 2 * math.sqrt(2))[:2]
    share = (place + 1) / 2
    weights = np.stack([(1 - share[:, 1]) * (1 - share[:, 0]), (1 - share[:, 1]) * share[:, 0],
                        share[:, 1] * (1 - share[:, 0]), share[:, 1] * share[:, 0]])  # fmt: skip
    with np.errstate(all="ignore"):
        exact = one.formula(*one.entering(*points))
    ratios = []
    for each, value, half in zip(quantities, exact, SIZE_PX / 2, strict=True):
        off = np.abs(each.corners.reshape(BLOCKS, 4) @ weights - (value - one.pixel_centre - half))
        bound = each.error[:, 0, 0] - 2 * NEAR_PX
        ratios.append((off / bound[:, None])[np.isfinite(bound)])
    return np.concatenate(ratios), np.isfinite(quantities[0].error)


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("domain", ["angle", "formula"])
def test_interpolation_is_within_its_bound(name: str, domain: str) -> None:
    """For blocks anywhere around every lens, as far as a bound is given; and not only where there is none."""
    ratio, known = _wrong(LENSES[name], VisibilityRule(domain=domain))
    assert ratio.max() < 1
    assert known.mean() > 0.05


def test_a_bound_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison fails for bounds of a third: it is no empty one."""
    monkeypatch.setattr(corners, "_SPREAD", corners._SPREAD / 3)
    assert _wrong(LENSES["mei_kitti360"], VisibilityRule())[0].max() > 1


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("limit", [None, 0.6])
def test_settled_points_are_what_they_are(name: str, limit: float | None) -> None:
    """What corners call inside is seen, what they leave neither inside nor open is not, and little is left open."""
    one = LENSES[name].like(LENSES[name].parameters)
    if limit:
        one = type(one)(one.parameters, max_angle_rad=min(limit, one.limit_rad))
    decides = Corners.of(one, SIZE_PX, VisibilityRule())
    turn = np.array(
        [[0.3, -0.954, 0.0], [0.0, 0.0, -1.0], [0.954, 0.3, 0.0]]
    )  # along x, a little to the left
    turn = np.array([[1, 0, 0], [0, 0.92, -0.39], [0, 0.39, 0.92]]) @ turn  # and down

    def moved(*at: np.ndarray) -> list[np.ndarray]:
        return [row[0] * at[0] + row[1] * at[1] + row[2] * at[2] for row in turn]

    def turned(x: np.ndarray, y: np.ndarray, z: np.ndarray, radius_m: float) -> tuple[Quantity, ...]:
        right, down, ahead = moved(x, y, z)
        return decides.at(right, down, ahead, radius_m)

    axes = GRID.axes()
    inside, left = settle_blocks(axes, turned)
    x, y, z = axes
    pixels, valid = one.project(
        np.stack(moved(*np.broadcast_arrays(x, y[:, None], z[:, None, None])), axis=-1)
    )
    with np.errstate(invalid="ignore"):
        seen = valid & ((pixels > 0) & (pixels < SIZE_PX)).all(axis=-1)
    is_open = np.zeros(seen.shape, bool)
    is_open[left] = True
    assert not (inside & is_open).any() and inside.shape == seen.shape
    assert (seen[~is_open] == inside[~is_open]).all()
    assert seen.mean() > 0.01 and is_open.mean() < (0.75 if one.IS_ROUND else 0.9)
