"""Cameras that are not quite where they should be: what envelopes are tested with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specialize.visibility.pyramid import Deviation
from tests import strategies


@dataclass(frozen=True)
class Move:
    """One camera's deviation from nominal, in its own axes (x right, y down, z forward)."""

    axis_angle: np.ndarray
    centre_m: np.ndarray
    focal_ratio: np.ndarray
    principal_point_px: np.ndarray


def moved(intrinsic: np.ndarray, camera_from_lidar: np.ndarray, move: Move) -> np.ndarray:
    """Return image_from_lidar (4, 4) of one camera, displaced, then turned about its new centre."""
    actual = intrinsic.copy()
    actual[0, :2] *= 1 + move.focal_ratio[0]
    actual[1, 1] *= 1 + move.focal_ratio[1]
    actual[:2, 2] += move.principal_point_px
    pose = camera_from_lidar.copy()
    pose[:3, 3] -= move.centre_m
    turn = np.eye(4)
    turn[:3, :3] = strategies.rotation(move.axis_angle)
    return strategies.product(actual[None], (turn @ pose)[None])[0]


def random_move(bounds: Deviation, random: np.random.Generator, edge: bool) -> Move:
    """Return a move within bounds, or (if `edge`) at the very edge of all of them."""
    share = 1.0 if edge else random.uniform()
    signs = random.choice([-1.0, 1.0], 4) if edge else random.uniform(-1, 1, 4)
    return Move(
        unit(random.normal(size=3)) * bounds.rotation_rad * share,
        unit(random.normal(size=3)) * bounds.translation_m * share,
        signs[:2] * bounds.focal_ratio,
        signs[2:] * bounds.principal_point_px,
    )


def worst_moves(bounds: Deviation, random: np.random.Generator, count: int) -> list[Move]:
    """Return moves that push one border outwards as far as they can, and turn about an axis along it."""
    moves = []
    for index in range(count):
        border = index % 4
        outward = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]][border], dtype=float)
        towards = unit(outward + random.normal(size=3) * random.choice([0.0, 0.3, 1.0]))
        forward = np.array([0.0, 0.0, 1.0])
        axis = unit(np.cross(forward, outward) + random.normal(size=3) * random.choice([0.0, 0.3, 1.0]))
        signs = np.where(random.uniform(size=2) < 0.8, -1.0, 1.0)
        shift = np.where(outward[:2] == 0, random.choice([-1.0, 1.0], 2), -outward[:2])
        sign = random.choice([-1.0, 1.0])
        moves.append(
            Move(
                axis * bounds.rotation_rad * sign,
                towards * bounds.translation_m,
                signs * bounds.focal_ratio,
                shift * bounds.principal_point_px,
            )
        )
    return moves


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector of length 1."""
    return vector / np.linalg.norm(vector)
