"""Compute what cameras see of the ground, as polygons around the vehicle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from specialize.calibration.off import is_off
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.sight import border, ground_m, inside, pixels_of, raw_lens, rays_through
from specialize.calibration.view import NEAREST_M, View, views_of
from specialize.report.svg import Bools, Floats, runs

BEARINGS, STEPS = 1080, 128
"""Directions around a camera, and distances along each, that are looked at before borders are refined."""
NEAREST = 1e-3
"""First of the distances, as a share of the last."""
BISECTIONS = 12
REACH_M = 30.0
"""How far the ground is drawn around the vehicle, if its cameras are on it."""
BORDER = 48
SIDES = 64
"""Directions whose outermost points tell which points are inside of a hull."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rig on the ground, in the level frame: the vehicle's if known, else the lidar's.

    Attributes:
        profile: The vehicle.
        views: Its cameras.
        ground_m: Height of the ground.
        reach_m: How far the ground is drawn.
    """

    profile: CalibrationProfile
    views: tuple[View, ...]
    ground_m: float
    reach_m: float

    @classmethod
    def of(cls, profile: CalibrationProfile) -> Scene:
        """Return the scene of a profile; one whose cameras are far away is drawn as far as they are."""
        views = views_of(profile)
        working = [view for view in views if not is_off(view.camera)]
        farthest = max((float(np.hypot(*view.centre_m[:2])) for view in working), default=0.0)
        return cls(profile, views, ground_m(profile, views), max(REACH_M, 1.5 * farthest))

    @property
    def in_vehicle(self) -> bool:
        """Whether the frame is the vehicle's: x forward, y left."""
        return self.profile.ego_from_lidar is not None


def footprint(scene: Scene, view: View) -> tuple[Floats, ...]:
    """Return what a camera sees of the ground within reach: polygons (M, 2) in metres.

    Along each direction from the point below the camera all is seen between the nearest and the farthest point that is.
    """
    foot = view.centre_m[:2]
    angles = np.arange(BEARINGS) * (2 * math.pi / BEARINGS)
    along = np.stack([np.cos(angles), np.sin(angles)], axis=-1)  # (B, 2)
    towards = along @ foot
    room = -towards + np.sqrt(np.maximum(towards**2 - foot @ foot + scene.reach_m**2, 0.0))
    near, far, any_seen = (_spans if raw_lens(view) is None else _found)(scene, view, along, room)
    outer, inner = (foot + along * each[:, None] for each in (far, near))
    if any_seen.all():
        return (outer, inner[::-1])
    start = int(np.flatnonzero(~any_seen)[0])
    order = (np.arange(BEARINGS) + start) % BEARINGS
    return tuple(
        np.concatenate([outer[order[run]], inner[order[run]][::-1]]) for run in runs(any_seen[order])
    )


def _spans(scene: Scene, view: View, along: Floats, room: Floats) -> tuple[Floats, Floats, Bools]:
    """Return where what a pinhole camera sees along directions (B, 2) begins and ends (B,), and whether it sees any.

    Depth and distances from the image's borders, times the depth, are linear along a line.
    """
    size = np.array([view.camera.width_px, view.camera.height_px], np.float64)
    start = view.rotation @ np.array([*view.centre_m[:2], scene.ground_m]) + view.camera_from_level[:3, 3]
    terms = []
    for point in (start[None], along @ view.rotation[:, :2].T):  # where the line begins, and a metre of it
        depth = point[:, 2:]
        pixels = point[:, :2] @ view.intrinsic[:2, :2].T + view.intrinsic[:2, 2] * depth
        terms.append(np.concatenate([depth, pixels, size * depth - pixels], axis=1))  # (B or 1, 5)
    at_start, per_m = terms
    at_start[:, 0] -= NEAREST_M
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = -at_start / per_m
    near = np.where(per_m > 0, zero, 0.0).max(axis=1, initial=0.0)
    far = np.minimum(room, np.where(per_m < 0, zero, np.inf).min(axis=1))
    never = ((per_m == 0) & (at_start < 0)).any(axis=1)
    return near, far, np.asarray(~never & (near < far))


def _found(scene: Scene, view: View, along: Floats, room: Floats) -> tuple[Floats, Floats, Bools]:
    """Return what `_spans` does through any lens: steps tell what is seen, and borders are refined."""
    share = np.concatenate([[0.0], np.geomspace(NEAREST, 1.0, STEPS)])
    foot = view.centre_m[:2]
    seen = _sees(scene, view, foot, along[:, None], room[:, None] * share)  # (B, STEPS + 1)
    first = seen.argmax(axis=1)
    last = STEPS - seen[:, ::-1].argmax(axis=1)
    near = _refined(scene, view, along, room * share[np.maximum(first - 1, 0)], room * share[first])
    far = _refined(scene, view, along, room * share[np.minimum(last + 1, STEPS)], room * share[last])
    return near, far, np.asarray(seen.any(axis=1))


def frustum(view: View, length_m: float) -> tuple[Floats, Floats]:
    """Return what a camera sees within a length, from above: the outline (M, 2) of all that, and its corners (4, 2)."""
    pixels, rays = border(view, BORDER)
    centre = np.clip(view.intrinsic[:2, 2], 0.0, (view.camera.width_px, view.camera.height_px))
    inner = [
        rays_through(view, centre + (pixels - centre) * share) for share in (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
    ]
    at = view.centre_m[:2]
    return hull(np.concatenate([at[None], *(at + length_m * each[:, :2] for each in (rays, *inner))])), (
        at + length_m * rays[:: max(1, BORDER), :2]
    )


def hull(points: Floats) -> Floats:
    """Return the convex hull (M, 2) of points, counter-clockwise."""
    ordered = sorted(map(tuple, _outer(points).tolist()))
    sides = []
    for line in (ordered, ordered[::-1]):
        side: list[tuple[float, ...]] = []
        for point in line:
            while len(side) > 1 and _turn(side[-2], side[-1], point) <= 0:
                side.pop()
            side.append(point)
        sides += side[:-1]
    return np.array(sides or ordered[:1])


def _outer(points: Floats) -> Floats:
    """Return points without those that lie well inside of the polygon of the outermost ones in a few directions."""
    angles = np.arange(SIDES) * (2 * math.pi / SIDES)
    along = np.stack([np.cos(angles), np.sin(angles)])  # (2, SIDES)
    corners = points[np.unique(np.argmax(points @ along, axis=0))]
    middle = corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]), kind="stable")]
    sides = np.roll(corners, -1, axis=0) - corners
    x, y = (points[:, None, axis] - corners[:, axis] for axis in (0, 1))  # (P, corners) each
    depth = (sides[:, 0] * y - sides[:, 1] * x).min(axis=1)
    outer: Floats = points[depth <= 1e-9 * float(np.abs(points).max(initial=1.0)) ** 2]
    return outer


def _turn(first: tuple[float, ...], second: tuple[float, ...], third: tuple[float, ...]) -> float:
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])


def seen_by(scene: Scene, x: Floats, y: Floats) -> Bools:
    """Return (N, ...) which cameras see points of the ground at x and y (...)."""
    points = np.stack([*np.broadcast_arrays(x, y, scene.ground_m)], axis=-1)
    return np.stack([_visible(view, points) for view in scene.views])


def _visible(view: View, points: Floats) -> Bools:
    pixels, valid = pixels_of(view, points)
    return np.asarray(valid & inside(view, pixels))


def _sees(scene: Scene, view: View, foot: Floats, along: Floats, distance: Floats) -> Bools:
    at = foot + along * distance[..., None]
    return _visible(view, np.concatenate([at, np.full((*at.shape[:-1], 1), scene.ground_m)], axis=-1))


def _refined(scene: Scene, view: View, along: Floats, outside_m: Floats, inside_m: Floats) -> Floats:
    """Return the distances (B,) of a border between one that is not seen and one that is."""
    foot = view.centre_m[:2]
    out, into = outside_m, inside_m
    into = np.where(_sees(scene, view, foot, along, out), out, into)  # seen up to the end
    for _ in range(BISECTIONS):
        middle = (out + into) / 2
        seen = _sees(scene, view, foot, along, middle)
        into, out = np.where(seen, middle, into), np.where(seen, out, middle)
    return into
