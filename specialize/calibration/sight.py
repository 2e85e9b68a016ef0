"""Derive what pictures of a rig show: where points and directions land in images, and what an image's border sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.lens import Lens
from specialize.calibration.pose import Matrix
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import NEAREST_M, View

Bools = NDArray[np.bool_]

GROUND_BELOW_LIDAR_M = -1.8
"""Height of the ground in the lidar frame if the vehicle frame is unknown."""
ON_GROUND_M = 0.6
"""Height of the lowest camera above which the origin of the points is taken to be on the ground."""
BISECTIONS = 24


def ground_m(profile: CalibrationProfile, views: Sequence[View]) -> float:
    """Return the height of the ground in the level frame; a guess where the vehicle frame is unknown."""
    if profile.ego_from_lidar is not None:
        return 0.0
    lowest = min(float(view.centre_m[2]) for view in views)
    return 0.0 if lowest > ON_GROUND_M else min(GROUND_BELOW_LIDAR_M, lowest - 0.1)


def raw_lens(view: View) -> Lens | None:
    """Return the lens of the images that the model is given, or None for those of a pinhole."""
    return view.camera.lens if view.camera.is_raw else None


def pixels_of(view: View, points_m: Matrix) -> tuple[Matrix, Bools]:
    """Return where points (..., 3) of the level frame land: pixels (..., 2), and (...) whether there is one."""
    return _pixels(view, points_m @ view.rotation.T + view.camera_from_level[:3, 3])


def pixels_towards(view: View, directions: Matrix) -> tuple[Matrix, Bools]:
    """Return where directions (..., 3) of the level frame land, as points far away do."""
    return _pixels(view, directions @ view.rotation.T)


def inside(view: View, pixels: Matrix) -> Bools:
    """Return which pixels (..., 2) are within the image."""
    x, y = pixels[..., 0], pixels[..., 1]
    with np.errstate(invalid="ignore"):
        within = (x >= 0) & (x <= view.camera.width_px) & (y >= 0) & (y <= view.camera.height_px)
    return np.asarray(within)


def border(view: View, count: int) -> tuple[Matrix, Matrix]:
    """Return the outline of what an image shows, in order around it.

    Where the image is larger than what its lens sees, the outline is that of the lens.

    Args:
        view: The camera.
        count: Points on each side.

    Returns:
        Pixels (M, 2) and unit rays (M, 3) in the level frame.
    """
    width, height = float(view.camera.width_px), float(view.camera.height_px)
    along = np.linspace(0.0, 1.0, count, endpoint=False)
    zero, one = np.zeros(count), np.ones(count)
    sides = [(along, zero), (one, along), (1 - along, one), (zero, 1 - along)]
    edge = np.concatenate([np.stack(side, axis=-1) for side in sides]) * (width, height)
    centre = np.clip(view.intrinsic[:2, 2], 0.0, (width, height))
    low, high = np.zeros(len(edge)), np.ones(len(edge))
    rays, valid = _rays(view, edge)
    for _ in range(0 if valid.all() else BISECTIONS):  # towards the centre, up to where there is a ray
        middle = np.where(valid, 1.0, (low + high) / 2)
        _, seen = _rays(view, centre + (edge - centre) * middle[:, None])
        low, high = np.where(seen, middle, low), np.where(seen, high, middle)
    pixels = centre + (edge - centre) * np.where(valid, 1.0, low)[:, None]
    rays, valid = _rays(view, pixels)
    return pixels[valid], rays[valid] @ view.rotation


def rays_through(view: View, pixels: Matrix) -> Matrix:
    """Return the unit rays (M, 3) in the level frame of those pixels that have one."""
    rays, valid = _rays(view, pixels)
    return rays[valid] @ view.rotation


def folded(lens: Lens, points_m: Matrix, size_px: tuple[int, int]) -> tuple[Matrix, Bools]:
    """Return which points a lens's formula puts into the image although they are beyond its limit.

    Args:
        lens: Of the image.
        points_m: (..., 3) in the camera's frame.
        size_px: Width and height of the image.

    Returns:
        Pixels (..., 2) by the formula, and (...) whether the point is such a ghost.
    """
    with np.errstate(all="ignore"):
        entered = lens.entering(*np.moveaxis(points_m, -1, 0))
        pixels = np.stack(lens.formula(*entered), axis=-1) - lens.pixel_centre
        ghost = (lens.depth(*entered) > 0) & (lens.angle_rad(*entered) >= lens.limit_rad)
        ghost &= ((pixels > 0) & (pixels < size_px)).all(axis=-1)
    return pixels, ghost


def _pixels(view: View, points_m: Matrix) -> tuple[Matrix, Bools]:
    lens = raw_lens(view)
    if lens is not None:
        return lens.project(points_m)
    valid: Bools = points_m[..., 2] > NEAREST_M
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = points_m[..., :2] / points_m[..., 2:]
        pixels = scaled @ view.intrinsic[:2, :2].T + view.intrinsic[:2, 2]
    return np.where(valid[..., None], pixels, np.nan), valid


def _rays(view: View, pixels: Matrix) -> tuple[Matrix, Bools]:
    """Return unit rays (..., 3) of pixels in the camera's frame, and whether there is one."""
    lens = raw_lens(view)
    if lens is not None:
        return lens.unproject(pixels)
    whole = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)
    rays = whole @ np.linalg.inv(view.intrinsic).T
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True), np.ones(pixels.shape[:-1], bool)
