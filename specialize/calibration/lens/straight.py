"""Define lenses that keep straight lines straight, or nearly so: pinhole, Brown-Conrady, and the cylinder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from specialize.calibration.lens.base import RIM, TINY, Floats
from specialize.calibration.lens.bend import Bend
from specialize.calibration.lens.focal import Focal, unit


class Pinhole(Focal):
    """No distortion; also rectified and virtual cameras."""

    MODEL = "pinhole"
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({"skew": 0.0})

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return x / z and y / z."""
        return x / z, y / z

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the rays through the plane at distance 1."""
        return unit(a, b, np.ones_like(a))

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the distance along the axis."""
        return z

    def own_limit_rad(self) -> float:
        """Return a right angle."""
        return math.pi / 2


class BrownConrady(Pinhole):
    """A pinhole with radial, tangential and thin-prism distortion, as OpenCV has it."""

    MODEL = "brown_conrady"
    GOES_ON: ClassVar[bool] = False
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("skew", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4"), 0.0)
    )

    @property
    def bend(self) -> Bend:
        """The distortion."""
        return Bend.of(self.parameters)

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the distorted x / z and y / z."""
        return self.bend.forward(x / z, y / z)

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the rays through the undistorted places."""
        return super().unplane(*self.bend.back(a, b))

    def own_limit_rad(self) -> float:
        """Return where the radial part folds back."""
        return math.atan(self.bend.turn())


class Cylindrical(Focal):
    """A virtual camera on a cylinder: columns are angles around the vertical axis."""

    MODEL = "cylindrical"
    IS_ROUND: ClassVar[bool] = False
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({"skew": 0.0})

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the angle around the vertical axis, and the height over the distance from it."""
        return np.arctan2(x, z), y / np.maximum(self.depth(x, y, z), TINY)

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the rays through the cylinder."""
        rays = unit(np.sin(a), b, np.cos(a))
        return np.where((np.abs(a) <= math.pi)[..., None], rays, np.nan)

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the distance from the vertical axis."""
        return np.sqrt(x * x + z * z)

    def angle_rad(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return the angle around the vertical axis."""
        return np.arctan2(np.sqrt(x * x), z)

    def rim(self, count: int) -> Floats:
        """Return unit rays just inside the limit: on both sides up the cylinder, where it is not closed."""
        half = count // 2
        up = np.linspace(-math.pi / 2, math.pi / 2, half)
        sides = [
            np.stack([np.cos(up) * np.sin(a), np.sin(up), np.cos(up) * np.cos(a)], axis=-1)
            for a in (-self.limit_rad * (1 - RIM), self.limit_rad * (1 - RIM))
        ]
        return self.outside(np.concatenate(sides))

    def own_limit_rad(self) -> float:
        """Return half a turn: the cylinder is closed."""
        return math.pi
