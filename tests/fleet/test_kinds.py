"""Kinds of vehicles are distinguished by design; neither knocked cameras nor scatter make a kind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from specialize.fleet.kinds import SHIFT_M, distances, kinds_of, nearest
from specialize.fleet.median import FOCAL, POSE, Floats

PINHOLE = np.ones(6, bool)


def turned(radians: np.ndarray) -> Floats:
    """Return quaternions of turns about z."""
    zeros = np.zeros_like(radians)
    return np.stack([np.cos(radians / 2), zeros, zeros, np.sin(radians / 2)], axis=-1)


def design(count: int, shift_m: float = 0.0, scatter_m: float = 0.002, seed: int = 0) -> Floats:
    """Return (V, 6, 12) rows of a design whose every camera is shifted along x."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, 6, 12))
    rows[..., :4] = turned(np.arange(6) + rng.normal(0, scatter_m / 2, (count, 6)))
    rows[..., 4:POSE] = rng.normal(0, scatter_m, (count, 6, 3))
    rows[..., 4] += shift_m
    rows[..., FOCAL] = 1000 * (1 + rng.normal(0, scatter_m / 2, (count, 6)))
    return rows


def labels_of(values: Floats) -> list[int]:
    """Return the kind of each vehicle."""
    return [int(kind) for kind in nearest(values, kinds_of(values, PINHOLE), PINHOLE)]


@pytest.mark.parametrize("gap", [0.5, 1.5, 3.0, 100.0])
def test_designs_are_told_apart_by_centimetres(gap: float) -> None:
    """Two designs are two kinds if they are 4.5 cm apart, and one if they are 1.5 cm apart."""
    values = np.concatenate([design(5), design(9, gap * SHIFT_M, seed=1)])
    assert labels_of(values) == ([0] * 14 if gap < 1 else [1] * 5 + [0] * 9)


def test_other_lenses_are_another_kind() -> None:
    """Focal lengths tell kinds apart as well, except of cameras whose parameters have other meanings."""
    values = design(8)
    values[5:, :, FOCAL] *= 1.1
    assert labels_of(values) == [0] * 5 + [1] * 3
    assert len(kinds_of(values, ~PINHOLE)) == 1


def test_signs_of_quaternions_do_not_matter() -> None:
    """A rotation has two quaternions."""
    values = design(8)
    plain, centre = distances(values, values[3], PINHOLE), values[3].copy()
    values[::2, :, :4] *= -1
    assert labels_of(values) == [0] * 8
    assert distances(values, centre, PINHOLE).tolist() == plain.tolist()


@pytest.mark.parametrize("cameras", [1, 3, 4])
def test_half_of_the_cameras_make_a_design(cameras: int) -> None:
    """Vehicles that agree in three of six cameras are one kind, however far the others moved; in two they are not."""
    values = np.concatenate([design(9), design(5, seed=1)])
    values[9:, :cameras, 4] += 1.0
    assert labels_of(values) == [0] * 9 + [int(cameras > 3)] * 5


def test_knocked_cameras_make_no_kind() -> None:
    """Two of six cameras of many vehicles may be anywhere."""
    values = design(20)
    rng = np.random.default_rng(7)
    for vehicle in range(0, 20, 2):
        cameras = rng.choice(6, 2, replace=False)
        values[vehicle, cameras, :4] = turned(rng.uniform(-3, 3, 2))
        values[vehicle, cameras, 4:POSE] += rng.uniform(-1, 1, (2, 3))
    assert labels_of(values) == [0] * 20


def test_one_vehicle_is_no_kind() -> None:
    """A vehicle unlike all others goes to the nearest kind; where all are unlike there is one kind."""
    values = np.concatenate([design(1, 5.0), design(5), design(3, 4.0)])
    assert labels_of(values) == [1, 0, 0, 0, 0, 0, 1, 1, 1]
    alone = np.concatenate([design(1, shift) for shift in (0.0, 1.0, 2.0)])
    assert labels_of(alone) == [0, 0, 0]


@pytest.mark.parametrize("scatter", [0.01, 0.03, 0.1])
def test_scatter_makes_no_kind(scatter: float) -> None:
    """Vehicles of one design that scatter by centimetres and degrees are one kind, another design is another."""
    values = np.concatenate([design(60, 0.0, scatter), design(40, 40 * scatter, scatter, seed=1)])
    assert labels_of(values) == [0] * 60 + [1] * 40


def test_kinds_are_in_order_of_their_size_and_the_same_in_any_order() -> None:
    """The largest is first; vehicles that come in another order are of the same kinds."""
    values = np.concatenate([design(3), design(12, 1.0), design(7, 2.0)])
    labels = np.array(labels_of(values))
    assert np.bincount(labels).tolist() == [12, 7, 3]
    order = np.random.default_rng(3).permutation(len(values))
    assert labels_of(values[order]) == labels[order].tolist()
    assert math.isclose(kinds_of(values, PINHOLE)[1, 0, 4], 2.0, abs_tol=0.01)
