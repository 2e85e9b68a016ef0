"""Map points to network pixels for the cameras of a vehicle: straight, by one matrix each, or through lenses.

A plan uses a projection only through its interface. `Straight` is here, `Curved` in `curved`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError
from specialize.visibility.grid import Bools, Floats, Ints, QueryGrid, VisibilityRule
from specialize.visibility.pyramid import Deviation, camera_centre, widened_pyramid
from specialize.visibility.spans import affine, between, fill, rounding_slack, row_spans


@dataclass(frozen=True, slots=True)
class Room:
    """What one camera may still move before it can see any of some points, rotation alone or translation alone.

    Attributes:
        rotation_rad: Largest certified rotation about the camera's centre.
        translation_m: Largest certified displacement of the centre.
    """

    rotation_rad: float
    translation_m: float


class Projection(Protocol):
    """The cameras of a vehicle as a model's images have them."""

    @property
    def size_px(self) -> Ints:
        """(N, 2) width and height of the network's images, padding included."""

    def lattice(self, grid: QueryGrid, rule: VisibilityRule) -> tuple[Bools, Ints]:
        """Return the points surely visible, (N, Z, Y, X), and those in doubt, (B, 4) positions in it."""

    def decide(self, position: Ints, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return (B,) the rule's float64 verdict on lattice positions (B, 4): camera, height, row, column."""

    def places(self, grid: QueryGrid, rule: VisibilityRule) -> Floats:
        """Return (N, 2, Z, Y, X): where each point falls in the image, u / width and v / height."""

    def reached(self, camera: int, deviation: Deviation, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return (Z, Y, X): every point that a camera may see with any calibration within bounds."""

    def room(self, camera: int, points: Floats, grid: QueryGrid, rule: VisibilityRule) -> Room:
        """Return how far a camera may move before it can see one of some points (K, D, 3), lidar frame, m."""

    def tables(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return the matrices and parameters as tables."""


@dataclass(frozen=True, slots=True, eq=False)
class Straight:
    """Cameras that a matrix describes.

    Attributes:
        image_from_lidar: (N, 4, 4) float64, lidar frame (m) to network pixels.
        size_px: (N, 2) int64, width and height of the network's images, padding included.
    """

    image_from_lidar: Floats
    size_px: Ints

    @classmethod
    def of(cls, image_from_lidar: npt.ArrayLike, size_px: npt.ArrayLike) -> Straight:
        """Return checked, read-only copies.

        Raises:
            InputError: The matrices or the sizes have the wrong shape, or hold numbers that cannot be.
        """
        matrices = np.array(image_from_lidar, dtype=np.float64)
        if matrices.ndim != 3 or matrices.shape[1:] != (4, 4) or not len(matrices):
            raise InputError("image_from_lidar", "an array (N, 4, 4), N >= 1", str(matrices.shape))
        if not np.isfinite(matrices).all():
            raise InputError("image_from_lidar", "finite numbers", "NaN or infinity")
        matrices.flags.writeable = False
        return cls(matrices, checked_sizes(size_px, len(matrices)))

    def lattice(self, grid: QueryGrid, rule: VisibilityRule) -> tuple[Bools, Ints]:
        """Return the points surely inside, and those in doubt, from the spans of every row."""
        functionals = rule.functionals(self.image_from_lidar, self.size_px)
        slack = rounding_slack(self.image_from_lidar, self.size_px, grid, rule)
        inner = row_spans(functionals, slack, grid)
        outer = row_spans(functionals, -slack, grid)
        columns = grid.count("x")
        return fill(*inner, columns), between(inner, outer, columns)

    def decide(self, position: Ints, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return the verdict of the five functionals."""
        functionals = rule.functionals(self.image_from_lidar, self.size_px)
        x, y, z = grid.axes()
        camera, height, row, column = position.T
        point = (axis[place][:, None] for axis, place in ((x, column), (y, row), (z, height)))  # (B, 1) each
        return rule.holds(affine(functionals[camera], *point))

    def places(self, grid: QueryGrid, rule: VisibilityRule) -> Floats:
        """Return the scaled pixels; as in BEVFormer the depth is held at `min_depth` from below."""
        x, y, z = grid.axes()
        matrix = self.image_from_lidar[:, :3, :, None, None, None]  # (N, 3, 4, 1, 1, 1)
        rows = matrix[:, :, 0] * x + matrix[:, :, 1] * y[:, None]
        rows = rows + matrix[:, :, 2] * z[:, None, None] + matrix[:, :, 3]  # (N, 3, Z, Y, X)
        depth = np.maximum(rows[:, 2], max(rule.min_depth, np.finfo(np.float64).tiny))
        return np.asarray(rows[:, :2] / depth[:, None] / self.size_px[:, :, None, None, None])

    def reached(self, camera: int, deviation: Deviation, grid: QueryGrid, rule: VisibilityRule) -> Bools:
        """Return what the widened pyramid reaches."""
        pyramid = widened_pyramid(self.image_from_lidar[camera], self.size_px[camera], deviation, grid, rule)
        return pyramid.reaches(grid, deviation.rotation_rad, deviation.translation_m)

    def room(self, camera: int, points: Floats, grid: QueryGrid, rule: VisibilityRule) -> Room:
        """Return the least movement that the pyramid's half-spaces allow."""
        matrix = self.image_from_lidar[camera]
        distance = np.linalg.norm(points - camera_centre(matrix), axis=-1)  # (K, D)
        anywhere = Deviation(translation_m=float(distance.max()))  # rounding grows with the displacement
        pyramid = widened_pyramid(matrix, self.size_px[camera], anywhere, grid, rule)
        excess = np.maximum(pyramid.outside(points), 0.0)
        sine = np.divide(excess, distance, out=np.zeros_like(excess), where=distance > 0)
        return Room(math.asin(min(1.0, float(sine.min()))), float(excess.min()))

    def tables(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return `lidar2img`."""
        return {"lidar2img": self.image_from_lidar}


def checked_sizes(size_px: npt.ArrayLike, cameras: int) -> Ints:
    """Return read-only sizes (N, 2).

    Raises:
        InputError: They have the wrong shape, or are not positive.
    """
    sizes = np.array(size_px, dtype=np.int64)
    if sizes.shape != (cameras, 2):
        raise InputError("size_px", f"an array ({cameras}, 2) of width and height", str(sizes.shape))
    if sizes.min() <= 0:
        raise InputError("size_px", "widths and heights above 0", str(int(sizes.min())))
    sizes.flags.writeable = False
    return sizes
