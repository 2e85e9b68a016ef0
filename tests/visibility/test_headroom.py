"""Headroom: how far a camera may move before it can leave an envelope."""

from __future__ import annotations

import math

import numpy as np
import pytest

from specialize.errors import InputError
from specialize.visibility.envelope import certified_superset
from specialize.visibility.grid import QueryGrid
from specialize.visibility.headroom import headroom
from specialize.visibility.plan import plan_visibility
from specialize.visibility.pyramid import Deviation
from tests import strategies
from tests.visibility import moving

GRID = QueryGrid((100, 100), (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 4)
RIG = strategies.ring()
ALLOWED = Deviation(math.radians(1.0), 0.05)
PLAN = plan_visibility(RIG.image_from_lidar, RIG.size_px, GRID)
ENVELOPE = certified_superset(RIG.image_from_lidar, RIG.size_px, GRID, [ALLOWED] * len(RIG))


def leaves(rotation: np.ndarray, translation: np.ndarray, seed: int, turn: bool) -> np.ndarray:
    """Return (N,) whether any of many moves, by a given amount per camera, sees something outside."""
    random = np.random.default_rng(seed)
    left = np.zeros(len(RIG), bool)
    for _ in range(150):
        matrices = []
        for index in range(len(RIG)):
            bounds = Deviation(float(rotation[index])) if turn else Deviation(0.0, float(translation[index]))
            move = moving.worst_moves(bounds, random, 4)[random.integers(4)]
            matrices.append(moving.moved(RIG.intrinsic[index], RIG.camera_from_lidar[index], move))
        actual = plan_visibility(np.array(matrices), RIG.size_px, GRID)
        left |= (actual.superset & ~ENVELOPE).any(axis=1)
    return left


@pytest.mark.parametrize("turn", [True, False])
def test_moves_within_the_headroom_stay(turn: bool) -> None:
    """Turned by the one amount, or displaced by the other, no camera sees anything outside."""
    room = headroom(PLAN, ENVELOPE)
    rotation = np.array([camera.rotation_rad for camera in room])
    translation = np.array([camera.translation_m for camera in room])
    assert (rotation >= ALLOWED.rotation_rad).all()
    assert (translation >= ALLOWED.translation_m).all()
    assert not leaves(rotation, translation, 0, turn).any()


def test_headroom_is_not_far_from_the_truth() -> None:
    """Turned by half as much again, some camera does leave."""
    room = headroom(PLAN, ENVELOPE)
    rotation = np.array([camera.rotation_rad for camera in room])
    assert leaves(1.5 * rotation, rotation, 0, turn=True).any()


def test_a_camera_outside_has_no_headroom() -> None:
    """A query that is seen outside the envelope is counted, and nothing is left for that camera alone."""
    smaller = ENVELOPE.copy()
    smaller[2, PLAN.query_ids[2][:3]] = False
    room = headroom(PLAN, smaller)
    assert (room[2].rotation_rad, room[2].translation_m, room[2].outside) == (0.0, 0.0, 3)
    assert room[1].outside == 0
    assert room[1].rotation_rad > 0


def test_an_envelope_of_everything_has_no_end() -> None:
    """With every query kept a camera may go anywhere."""
    room = headroom(PLAN, np.ones_like(ENVELOPE))
    assert {(camera.rotation_rad, camera.translation_m) for camera in room} == {(math.pi, math.inf)}


def test_an_envelope_of_another_grid_is_refused() -> None:
    """The envelope must be for the same cameras and queries."""
    with pytest.raises(InputError, match="envelope"):
        headroom(PLAN, ENVELOPE[:, :-1])
