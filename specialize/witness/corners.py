"""Search for the moves within a tolerance that bring points into an image that does not show them.

For a point outside the image and a border of it, the best rotation turns the point towards the border's inward normal,
the best displacement is tangential to the ray and leads the same way, the best focal length is the shortest, and the
principal point moves away from the point. So each candidate point has one move per border and per corner of the image,
and one towards its middle, for either sense in which the vehicle may turn meanwhile. All are tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.witness.moves import Bounds, Moves, bounds_of, moved, taken_apart
from specialize.witness.rig import Eye, Floats, Grid, Preparation, Rig, Sidecar
from specialize.witness.sight import Bools, reach_of, sight
from specialize.witness.through import FORMULA_PX, moved_outside_px, pairs_of

NEAREST = 1500
"""Candidate points of a camera and grid that no vehicle within the tolerance should see, nearest first."""

GAINED = 500
"""Candidate points of a camera and grid that some vehicle within the tolerance may see, nearest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """What the search found for one camera and grid.

    Attributes:
        tried: Number of points times moves.
        lost: Queries outside the superset that a move within the tolerance surely shows, ascending.
        margin_px: How far from the image the nearest point outside the superset stayed; infinite without any.
        moves: The most adverse move of each direction, (M,).
        gained: Pairs that each of them shows beyond those of the calibration, (M,).
    """

    tried: int
    lost: tuple[int, ...]
    margin_px: float
    moves: Moves
    gained: tuple[int, ...]


def search(rig: Rig, camera: int, sidecar: Sidecar, grid: Grid, bounds: Bounds, superset: Bools) -> Corners:
    """Search for moves of one camera; `superset` (Q,) are the queries that it may come to see."""
    eye, prep = rig.eyes[camera], sidecar.preparations[camera]
    points = grid.points()
    already = _nominal(eye, prep, points, sidecar)
    order = np.argsort(-_nearness(eye, prep, points, bounds), axis=None, kind="stable")
    query, anchor = np.unravel_index(order, points.shape[:2])
    outside = ~superset[query]
    ring = superset[query] & ~already[query]
    chosen = np.concatenate([np.flatnonzero(outside)[:NEAREST], np.flatnonzero(ring)[:GAINED]])
    query, outside = query[chosen], outside[chosen]
    candidates = points[query, anchor[chosen]]  # (P, 3)
    if not len(candidates):  # the camera sees every query already
        still = _still(1, bounds, 0.0, np.zeros(3))
        return Corners(tried=0, lost=(), margin_px=np.inf, moves=still, gained=(0,))
    moves = _towards(eye, rig.ego_from_lidar, prep, candidates, bounds)  # (T, P)
    outside_px, surely = _shown(eye, rig, prep, sidecar, candidates, moves, reach_of(points))
    distance = np.where(outside, outside_px, np.inf)  # (T, P)
    worst = [_most_adverse(near, every) for near, every in zip(distance, outside_px, strict=True)]
    best = Moves(
        *(
            np.stack(part)
            for part in zip(*(_fields(moves, row, at) for row, at in enumerate(worst)), strict=True)
        )
    )
    shown = _pairs_shown(eye, rig.ego_from_lidar, prep, points, best, sidecar)
    return Corners(
        tried=int(surely.size),
        lost=tuple(int(index) for index in np.unique(query[(surely & outside).any(axis=0)])),
        margin_px=float(distance.min(initial=np.inf)),
        moves=best,
        gained=tuple(int((one & ~already).sum()) for one in shown),
    )


def _nominal(eye: Eye, prep: Preparation, points: Floats, sidecar: Sidecar) -> Bools:
    """Return (Q,) which queries the camera surely sees as it is calibrated."""
    if eye.lens is not None or sidecar.lens:
        return pairs_of(eye, prep, points, sidecar)[0]
    return sight(prep.matrix() @ eye.image_from_lidar, points, prep.size_px, sidecar.min_depth_m).queries()


def _shown(
    eye: Eye, rig: Rig, prep: Preparation, sidecar: Sidecar, points: Floats, moves: Moves, reach_m: Floats
) -> tuple[Floats, Bools]:
    """Return how far outside of the image points (P, 3) are after moves (T, P), px, and which are surely seen."""
    lens, pose = moved(eye, rig.ego_from_lidar, moves)
    if sidecar.lens:
        outside = moved_outside_px(eye, prep, sidecar, points, pose, moves)
        return outside, np.asarray(outside < -FORMULA_PX)
    found = sight(prep.matrix() @ lens @ pose, points, prep.size_px, sidecar.min_depth_m, reach_m)
    return found.outside_px, found.surely


def _fields(moves: Moves, row: int, at: int) -> list[Floats]:
    one = moves.at((row, at))
    return [one.turn_rad, one.shift_m, one.focal_ratio, one.centre_px, one.ego_turn_rad, one.ego_shift_m]


def _most_adverse(outside: Floats, every: Floats) -> int:
    """Return the candidate that its move brings nearest from outside the superset; without such, nearest at all.

    Distances are compared to a millionth of a pixel, so that rounding does not choose.
    """
    distance = outside if np.isfinite(outside).any() else np.where(np.isfinite(every), np.abs(every), np.inf)
    return int(np.argmin(np.round(distance, 6)))


def _normals(eye: Eye, prep: Preparation, focal_ratio: float) -> Floats:
    """Return the inward normals (4, 3) of the image's side planes in camera axes: left, right, top, bottom.

    The image of a lens has no planes; its points are brought nearer by turning them straight across.
    """
    if eye.lens is not None:
        return np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    lens = taken_apart(eye)[0][:3, :3].copy()
    lens[0, :2] *= 1 + focal_ratio
    lens[1, 1] *= 1 + focal_ratio
    across, down, depth = prep.matrix()[:3, :3] @ lens
    width, height = prep.size_px
    planes = np.stack([across, width * depth - across, down, height * depth - down])
    return np.asarray(planes / np.linalg.norm(planes, axis=1, keepdims=True))


def _nearness(eye: Eye, prep: Preparation, points: Floats, bounds: Bounds) -> Floats:
    """Return (Q, D) a rank of points: the sine of the angle to the worst border, and more for points nearby."""
    pose = taken_apart(eye)[1]
    seen_from = points @ pose[:3, :3].T + pose[:3, 3]
    distance = np.maximum(np.linalg.norm(seen_from, axis=-1), 1e-9)
    if eye.lens is not None:  # by what is off the axis: what is missing to a border, few points decide
        return np.asarray(seen_from[..., 2] / distance + (bounds.shift_m + bounds.ego_shift_m) / distance)
    sines = (seen_from @ _normals(eye, prep, 0.0).T / distance[..., None]).min(axis=-1)
    return np.asarray(sines + (bounds.shift_m + bounds.ego_shift_m) / distance)


def _towards(
    eye: Eye, ego_from_lidar: Floats | None, prep: Preparation, points: Floats, bounds: Bounds
) -> Moves:
    """Return moves (T, P) that bring points (P, 3) towards the image, in T directions."""
    left, right, top, bottom = _normals(eye, prep, -bounds.focal_ratio)
    middle = np.array([0.0, 0.0, 1.0])
    targets = [left, right, top, bottom, left + top, right + top, left + bottom, right + bottom, middle]
    senses = (1.0, -1.0) if bounds.ego_turn_rad else (1.0,)
    made = [
        _one_way(eye, ego_from_lidar, points, target / np.linalg.norm(target), sense, bounds)
        for target in targets
        for sense in senses
    ]
    return Moves(*(np.stack(part) for part in zip(*made, strict=True)))


def _one_way(
    eye: Eye, ego_from_lidar: Floats | None, points: Floats, target: Floats, sense: float, bounds: Bounds
) -> list[Floats]:
    """Return the fields of moves (P,) towards one direction (3,) in camera axes."""
    pose = taken_apart(eye)[1]
    ego = np.eye(4) if ego_from_lidar is None else ego_from_lidar
    camera_from_ego = pose @ np.linalg.inv(ego)
    ahead = -camera_from_ego[:3, :3].T @ target  # the way of the vehicle that helps most, on the ground
    ahead[2] = 0.0
    way = ahead / max(float(np.linalg.norm(ahead)), 1e-12) * bounds.ego_shift_m
    still = _still(len(points), bounds, sense, way)
    _, driven = moved(eye, ego_from_lidar, still)
    at = np.einsum("pij,pj->pi", driven[:, :3, :3], points) + driven[:, :3, 3]
    distance = np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-9)
    ray = at / distance
    along = _unit(target - (ray @ target)[:, None] * ray)
    sine = np.minimum(1.0, bounds.shift_m / distance)
    shifted = bounds.shift_m * (np.sqrt(1 - sine**2) * along - sine * ray)
    axis = _unit(np.cross(at + shifted, np.broadcast_to(target, at.shape)))
    focal = np.full((len(points), 2), -bounds.focal_ratio)
    centre = np.sign(along[:, :2]) * bounds.centre_px
    return [axis * bounds.turn_rad, -shifted, focal, centre, still.ego_turn_rad, still.ego_shift_m]


def _still(count: int, bounds: Bounds, sense: float, way: Floats) -> Moves:
    """Return moves (P,) of the vehicle alone."""
    none3, none2 = np.zeros((count, 3)), np.zeros((count, 2))
    turn = np.full(count, sense * bounds.ego_turn_rad)
    return Moves(none3, none3, none2, none2, turn, np.broadcast_to(way, (count, 3)))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def _pairs_shown(
    eye: Eye,
    ego_from_lidar: Floats | None,
    prep: Preparation,
    points: Floats,
    moves: Moves,
    sidecar: Sidecar,
) -> list[Bools]:
    """Return for each move (M,) the queries (Q,) that the camera surely sees."""
    lens, pose = moved(eye, ego_from_lidar, moves)
    if sidecar.lens:
        each = range(len(pose))
        outside = [moved_outside_px(eye, prep, sidecar, points, pose[at], moves.at(at)) for at in each]
        return [np.asarray((one < -FORMULA_PX).any(axis=-1)) for one in outside]
    every = prep.matrix() @ lens @ pose  # (M, 4, 4)
    return [sight(every[at], points, prep.size_px, sidecar.min_depth_m).queries() for at in range(len(every))]


def adverse_rigs(corners: Sequence[Sequence[Corners]], count: int) -> list[list[Moves]]:
    """Return at most `count` lists of one move per camera, those first that show the most further pairs.

    Args:
        corners: Per camera, what was found for each grid.
        count: The most to return.
    """
    ranked: list[list[Moves]] = []
    for grids in corners:
        every = [(gain, one.moves, at) for one in grids for at, gain in enumerate(one.gained)]
        every.sort(key=lambda entry: -entry[0])
        ranked.append([moves.at(at) for _, moves, at in every])
    deepest = max((len(moves) for moves in ranked), default=0)
    return [[moves[place % len(moves)] for moves in ranked] for place in range(min(count, deepest))]


def bounds_by_camera(rig: Rig, tolerance: Mapping[str, float] | None) -> list[Bounds]:
    """Return what a tolerance allows each camera of a rig."""
    return [bounds_of(eye, tolerance) for eye in rig.eyes]
