"""Bound what one camera may see while its calibration stays within bounds: widened half-spaces, with a proof.

Let the nominal camera stand at C, and let x = X - C be a point seen from there. Within the bounds the
actual camera has

- intrinsics: focal lengths f (1 + e) with |e| <= phi, principal point c + d with |d| <= delta (per axis);
- pose: turned by a rotation Q of angle at most rho about its own centre, displaced by at most tau.

**Intrinsics.** Let y be the point from the actual centre in the actual camera's axes, y_z its depth, and h
the part of an image row across the depth (f on the x axis). The point is right of the image's left border
if `(1 + e) h.y + (c + d) y_z > 0`, that is `h.y + (c + d) / (1 + e) y_z > 0`. With y_z > 0 this implies
`m.y > 0` for m = h + max((c + d) / (1 + e)) z, the maximum being at a corner of the box. Likewise the right
border (with -h, and width - c - d), top and bottom; the depth gives m = z. So all actual pyramids lie in
the cone of these five half-spaces.

**Pose.** y = Q (x - t) with |t| <= tau. The angle between y and x - t is at most rho, that between x - t and
x at most asin(tau / |x|) (a ball seen from outside), so that between y and x at most alpha, their sum. For
a unit normal m, `m.y >= 0` says that y is within pi / 2 of m; so x is within pi / 2 + alpha of m:

    m.x >= -|x| sin(alpha) = -(sin(rho) sqrt(|x|^2 - tau^2) + tau cos(rho))      while alpha < pi / 2

A point that fails this for one normal is seen by no camera within the bounds. Every other point is kept,
also where alpha >= pi / 2, hence every point nearer than tau.

**Rounding.** A graph may keep a point whose functional lies below 0 by the slack of `spans`, in units of the
functional. Divided by the length of the normal this is a distance g with `m.y >= -g`, as if the centre were
displaced by g more along m: each plane has tau + g in place of tau. The slack of a border is taken for
the largest rows within the bounds, plus what a depth that is itself rounded adds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError
from specialize.visibility.grid import Bools, Floats, QueryGrid, VisibilityRule
from specialize.visibility.spans import rounding_ratio


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far one camera may be from nominal, all causes together; zero means exactly as calibrated.

    Attributes:
        rotation_rad: Largest angle of a rotation about the camera's centre.
        translation_m: Largest displacement of the centre.
        focal_ratio: Largest relative error of either focal length, 0.01 for 1 %.
        principal_point_px: Largest error of either coordinate of the principal point, network pixels.
    """

    rotation_rad: float = 0.0
    translation_m: float = 0.0
    focal_ratio: float = 0.0
    principal_point_px: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rotation_rad", "translation_m", "focal_ratio", "principal_point_px"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"deviation.{name}", "a finite number >= 0", repr(value))
        if self.focal_ratio >= 1:
            raise InputError("deviation.focal_ratio", "less than 1 (100 %)", repr(self.focal_ratio))


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The cone that holds everything one camera can see, up to rotation and displacement.

    Attributes:
        centre: (3,) the nominal camera centre, lidar frame, metres.
        normals: (F, 3) unit inward normals of half-spaces through the centre, lidar frame.
        slack_m: (F,) how far outside a half-space rounding may still see a point.
    """

    centre: Floats
    normals: Floats
    slack_m: Floats

    def outside(self, points: Floats) -> Floats:
        """Return (...,) how far points (..., 3) in the lidar frame, metres, are outside the worst half-space.

        Rounding is on the side of the point: what it may move is taken off.
        """
        return np.asarray((-(points - self.centre) @ self.normals.T - self.slack_m).max(axis=-1))

    def reaches(self, grid: QueryGrid, rotation_rad: float, translation_m: float) -> Bools:
        """Return (heights, H, W): points that a camera turned and displaced by at most this much may see."""
        x, y, z = (axis - centre for axis, centre in zip(grid.axes(), self.centre, strict=True))
        y, z = y[:, None], z[:, None, None]
        if rotation_rad >= math.pi / 2:
            return np.ones((z.size, y.size, x.size), bool)
        sine, cosine = math.sin(rotation_rad), math.cos(rotation_rad)
        square = x * x + (y * y + z * z)  # (heights, H, W)
        kept = np.ones(square.shape, bool)
        for normal, radius in zip(self.normals, translation_m + self.slack_m, strict=True):
            along = normal[0] * x + (normal[1] * y + normal[2] * z)
            allowance = sine * np.sqrt(np.maximum(square - radius**2, 0.0)) + radius * cosine
            kept &= (along >= -allowance) | (square <= (radius / cosine) ** 2)
        return kept


def camera_centre(image_from_lidar: Floats) -> Floats:
    """Return the point (3,) in the lidar frame, metres, that a (4, 4) projects nowhere.

    Raises:
        InputError: The matrix has no such point.
    """
    rows = image_from_lidar[:3]
    if np.linalg.matrix_rank(rows[:, :3]) < 3:
        raise InputError("image_from_lidar", "a camera centre (3x3 part invertible)", "a singular matrix")
    return np.asarray(-np.linalg.solve(rows[:, :3], rows[:, 3]))


def widened_pyramid(
    matrix: Floats,
    size_px: npt.NDArray[np.generic],
    deviation: Deviation,
    grid: QueryGrid,
    rule: VisibilityRule,
) -> Pyramid:
    """Return the cone of one camera (4, 4), widened for its intrinsics and for rounding; see the proof."""
    centre, depth = camera_centre(matrix), matrix[2, :3]
    length = float(np.linalg.norm(depth))
    farthest = _corner_distance(grid) + float(np.linalg.norm(centre)) + deviation.translation_m
    ratio = rounding_ratio(rule)
    depth_slack = ratio * (length * farthest + rule.min_depth)
    normals, slack = [], []
    for row, size in zip(matrix[:2, :3], size_px.astype(np.float64), strict=True):
        middle = float(row @ depth) / length**2
        side = row - middle * depth
        largest = (1 + deviation.focal_ratio) * float(np.linalg.norm(side))
        largest += (abs(middle) + deviation.principal_point_px + float(size)) * length
        for across, offset in ((side, middle), (-side, float(size) - middle)):
            low, high = _quotients(offset, deviation)
            normal = across + high * depth
            in_px = ratio * largest * farthest / (1 - deviation.focal_ratio) + (high - low) * depth_slack
            slack.append(in_px / float(np.linalg.norm(normal)))
            normals.append(normal / np.linalg.norm(normal))
    normals.append(depth / length)
    slack.append(depth_slack / length)
    return Pyramid(centre, np.array(normals), np.array(slack))


def _corner_distance(grid: QueryGrid) -> float:
    """Return a bound on the norm of what is added up for a point: largest coordinates and extents."""
    low, high = np.array(grid.range_m[:3]), np.array(grid.range_m[3:])
    return float(np.linalg.norm(np.maximum(np.maximum(np.abs(low), np.abs(high)), high - low)))


def _quotients(offset_px: float, deviation: Deviation) -> tuple[float, float]:
    """Return least and largest (c + d) / (1 + e) over the box of intrinsics."""
    shifts = (-deviation.principal_point_px, deviation.principal_point_px)
    factors = (1 - deviation.focal_ratio, 1 + deviation.focal_ratio)
    values = [(offset_px + shift) / factor for shift, factor in itertools.product(shifts, factors)]
    return min(values), max(values)
