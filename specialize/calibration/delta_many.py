"""Compare many calibrations with one: what `delta.compare` says of each, for vehicles that are arrays.

A point on a ring that a vehicle's camera has in its image is within a cone around the axis of the first camera: half of
the widest image's diagonal, the turn between both cameras, and what the shift between their centres adds. Only points
in this cone, or in the image of the first camera, are projected.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from specialize.calibration.camera import Camera
from specialize.calibration.delta import MIN_DEPTH_M, inside_image, ring_m
from specialize.calibration.many import Alike, inverse
from specialize.calibration.pose import centre_m
from specialize.calibration.profile import CalibrationProfile

Floats = npt.NDArray[np.float64]

RADII_M = (10.0, 20.0)
AT_ONCE = 64
"""Vehicles whose points are projected together: what that needs should stay in the processor's cache."""
SLACK_RAD = 1e-3
"""More than rounding, and what an intrinsic may hold below its diagonal, can turn a ray."""


def compare_many(first: CalibrationProfile, vehicles: Alike) -> Floats:
    """Return how V vehicles differ from a first one with the same N cameras, (V, N, 6), without lenses.

    The columns are rotation (mrad), translation (mm), focal length (%), principal point (px), and the largest shift in
    the image at 10 m and at 20 m (px), NaN if no such point is in front of both cameras; see `CameraDelta`.
    """
    found = np.empty((len(vehicles), vehicles.cameras, 6))
    centres = inverse(vehicles.camera_from_lidar)[..., :3, 3]
    for index, camera in enumerate(first.cameras):
        intrinsic, pose = camera.as_pinhole()
        k, other = vehicles.intrinsic[:, index], vehicles.camera_from_lidar[:, index]
        chord = _lengths((other - pose)[:, :3, :3].reshape(-1, 9)) / (2 * np.sqrt(2))
        turn = 2 * np.arcsin(np.minimum(1.0, chord))
        shift = _lengths(centres[:, index] - centre_m(pose))
        focal = np.abs(np.diagonal(k, axis1=1, axis2=2)[:, :2] / np.diagonal(intrinsic)[:2] - 1)
        found[:, index, 0], found[:, index, 1] = 1e3 * turn, 1e3 * shift
        found[:, index, 2] = 100 * focal.max(axis=1)
        found[:, index, 3] = _lengths((k - intrinsic)[:, :2, 2])
        reach = turn + _half_diagonals(k, camera) + SLACK_RAD  # (V,)
        images = vehicles.image_from_lidar[:, index]
        for column, radius_m in enumerate(RADII_M, start=4):
            found[:, index, column] = _largest_shifts(camera, images, reach, shift, radius_m)
    return found


def _largest_shifts(camera: Camera, images: Floats, reach: Floats, shift: Floats, radius_m: float) -> Floats:
    """Return the largest movement (V,) in px of a ring's points between one camera and V others.

    Args:
        camera: The one.
        images: (V, 4, 4) `lidar2img` of the others.
        reach: (V,) the angle from the one's axis of what they see from the same place, rad.
        shift: (V,) how far from it they are, m.
        radius_m: Of the ring.
    """
    points = ring_m(radius_m)
    pixels, before = camera.project(points, MIN_DEPTH_M)
    pose = camera.as_pinhole().camera_from_lidar
    rays = points @ pose[:3, :3].T + pose[:3, 3]
    far = _lengths(rays)
    angle = np.arctan2(_lengths(rays[:, :2]), rays[:, 2])
    inside = inside_image(camera, pixels)
    found = np.empty(len(images))
    for start in range(0, len(images), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        widest = (reach[part] + np.arcsin(np.minimum(1.0, shift[part] / far.min()))).max()
        some = np.flatnonzero(before & (inside | (angle <= widest)))
        found[part] = _shifts(camera, images[part], points[some], pixels[some], inside[some])
    return found


def _shifts(
    camera: Camera, images: Floats, points: Floats, pixels: Floats, inside: npt.NDArray[np.bool_]
) -> Floats:
    """Return the largest movement (V,) of points (P, 3) that have pixels (P, 2), in the image or not, in one camera."""
    u, v, depth = np.moveaxis(images[:, :3, :3] @ points.T + images[:, :3, 3:], 1, 0)  # (V, P) each
    valid = depth > MIN_DEPTH_M
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = u / depth, v / depth
    seen = inside | ((u > 0) & (u < camera.width_px) & (v > 0) & (v < camera.height_px))
    squares = np.where(valid & seen, (u - pixels[:, 0]) ** 2 + (v - pixels[:, 1]) ** 2, -1.0)
    largest = squares.max(axis=1, initial=-1.0)
    return np.where(largest < 0, np.nan, np.sqrt(np.maximum(0.0, largest)))


def _half_diagonals(intrinsic: Floats, camera: Camera) -> Floats:
    """Return (V,): the largest angle from the axis, rad, in images of intrinsics (V, 3, 3); a corner has it."""
    angles = []
    for u, v in itertools.product((0, camera.width_px), (0, camera.height_px)):
        y = (v - intrinsic[:, 1, 2]) / intrinsic[:, 1, 1]
        x = (u - intrinsic[:, 0, 2] - intrinsic[:, 0, 1] * y) / intrinsic[:, 0, 0]
        angles.append(np.arctan(np.hypot(x, y)))
    return np.asarray(np.max(angles, axis=0))


def _lengths(vectors: Floats) -> Floats:
    """Return the lengths (V,) of vectors (V, K)."""
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=-1)))
