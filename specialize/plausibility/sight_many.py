"""Tell for many vehicles at once which cameras surely see something, and show what their lenses see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from specialize.calibration.many import Alike
from specialize.model.many import RigOfMany
from specialize.model.spec import ModelSpec
from specialize.plausibility.sight import ring_points
from specialize.plausibility.values import GROUND_BELOW_LIDAR_M, LEAST_SHARE, coarse_points

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EXAMPLES = 8
"""Vehicles whose best visible points are tried on the others."""
NEAR_PX, NEAR_M = 1e-3, 1e-3
"""How far inside an image, and ahead of the least depth, a point is surely seen."""
AT_ONCE = 64


def surely_seen(rig: RigOfMany, spec: ModelSpec, among: Bools) -> Bools:
    """Return which of V vehicles (V,) have no camera that sees nothing of the surroundings, or of a grid.

    One visible point is enough. For a few vehicles the point farthest inside each image is looked for; the others, much
    like one of them, are asked about that point only.
    """
    found = np.zeros(len(among), bool)
    left = np.flatnonzero(among)
    for _ in range(EXAMPLES):
        if not len(left):
            break
        points = _best_points(rig, spec, left[0])
        if points is not None:
            inside = _margins(rig.network_from_lidar[left], _sizes(rig, spec), points, spec.rule.min_depth_m)
            found[left] = (inside > NEAR_PX).all(axis=(1, 2))
        left = left[1:][~found[left[1:]]]
    return found


def _best_points(rig: RigOfMany, spec: ModelSpec, vehicle: int) -> Floats | None:
    """Return (N, P, 3) for each camera a point around the car and one of each grid; None if it sees none of some."""
    best = []
    for points in _seen_points(rig.profile, spec, vehicle):
        inside = _margins(
            rig.network_from_lidar[vehicle : vehicle + 1],
            _sizes(rig, spec),
            points[None],
            spec.rule.min_depth_m,
        )[0]
        if not (inside.max(axis=1) > NEAR_PX).all():
            return None
        best.append(points[inside.argmax(axis=1)])
    return np.stack(best, axis=1)


def _seen_points(vehicles: Alike, spec: ModelSpec, vehicle: int) -> Iterator[Floats]:
    """Yield the sets of points (P, 3) of which each camera must see one."""
    yield ring_points(float(_ground_m(spec, vehicles)[vehicle]))
    for grid in spec.grids:
        yield coarse_points(grid).reshape(-1, 3)


def surely_shown(rig: RigOfMany, spec: ModelSpec, among: Bools) -> Bools:
    """Return which of V vehicles (V,) have only cameras whose network's image shows enough of what the lens sees."""
    if _holds_raw(rig.profile, spec):
        return among.copy()
    found = np.zeros(len(among), bool)
    grounds = _ground_m(spec, rig.profile)
    raw_px, sizes_px = rig.profile.sizes_px(), _sizes(rig, spec)
    places = np.flatnonzero(among)
    for start in range(0, len(places), AT_ONCE):
        part = places[start : start + AT_ONCE]
        points = np.stack([ring_points(float(ground)) for ground in grounds[part]])[:, None]  # (V, 1, P, 3)
        lens = _margins(rig.profile.image_from_lidar[part], raw_px, points, 0.0)
        network = _margins(rig.network_from_lidar[part], sizes_px, points, spec.rule.min_depth_m)
        both = ((lens > NEAR_PX) & (network > NEAR_PX)).sum(axis=-1)  # (V, N), at least
        most = (lens > -NEAR_PX).sum(axis=-1)
        found[part] = (both >= LEAST_SHARE * most).all(axis=1)
    return found


def _holds_raw(vehicles: Alike, spec: ModelSpec) -> bool:
    """Whether the network's images hold the whole raw ones, and rounding cannot lose a point on their borders.

    A scale that is a power of two changes no digit of a pixel.
    """
    images = [spec.image_of(index) for index in range(vehicles.cameras)]
    return spec.rule.min_depth_m <= 1e-5 and all(
        float(np.frexp(image.scale)[0]) == 0.5
        and not any(image.crop_px)
        and all(image.scale * side <= own for side, own in zip(size, image.size_px, strict=True))
        for image, size in zip(images, vehicles.sizes_px(), strict=True)
    )


def _margins(matrices: Floats, sizes_px: npt.NDArray[np.int64], points: Floats, depth_m: float) -> Floats:
    """Return how far inside the image points are, px, (V, N, P); minus infinity behind the camera.

    Args:
        matrices: (V, N, 4, 4), lidar frame (m) to pixels.
        sizes_px: (N, 2) of the images.
        points: (N, P, 3), or another shape that fits (V, N, P, 3), lidar frame, m.
        depth_m: Least depth.
    """
    rows = [
        sum(points[..., axis] * matrices[:, :, row, axis, None] for axis in range(3))
        + matrices[:, :, row, 3, None]
        for row in range(3)
    ]
    ahead = rows[2] > depth_m + NEAR_M
    depth = np.where(ahead, rows[2], 1.0)
    width, height = sizes_px[:, 0, None], sizes_px[:, 1, None]
    u, v = rows[0] / depth, rows[1] / depth
    inside = np.minimum(np.minimum(u, width - u), np.minimum(v, height - v))
    return np.where(ahead, inside, -np.inf)


def _sizes(rig: RigOfMany, spec: ModelSpec) -> npt.NDArray[np.int64]:
    return np.asarray(spec.sizes_px(rig.profile.cameras), np.int64)


def _ground_m(spec: ModelSpec, vehicles: Alike) -> Floats:
    """Return the height of the ground (V,) in the lidar frame, as `values` has it."""
    if vehicles.ego_from_lidar is not None:
        return np.asarray(-vehicles.ego_from_lidar[:, 2, 3])
    points, same = spec.points, np.ones(len(vehicles))
    if points is not None and points.height_m is not None:
        return same * (-sum(points.height_m) / 2)
    return same * (0.0 if points is not None and points.origin == "ego" else -GROUND_BELOW_LIDAR_M)
