"""Define lenses that project by spheres: MEI (unified, omni), the extended unified model, and the double sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from specialize.calibration.lens.base import Floats
from specialize.calibration.lens.bend import Bend
from specialize.calibration.lens.focal import Focal, unit


class Mei(Focal):
    """A unit sphere seen from a point `xi` behind its centre, then the distortion of OpenCV.

    For xi above 1 the denominator `z + xi |p|` is never 0: points beyond acos(-1 / xi), also those straight behind the
    camera, land in the image again. They are not valid here.
    """

    MODEL = "mei"
    REQUIRED: ClassVar[tuple[str, ...]] = ("fx", "fy", "cx", "cy", "xi")
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("skew", "k1", "k2", "p1", "p2", "k3"), 0.0)
    )

    def check(self) -> None:
        """Check the focal lengths and xi."""
        super().check()
        if self.parameters["xi"] < 0:
            raise self.error("xi of at least 0", f"{self.parameters['xi']:g}", at="xi")

    @property
    def bend(self) -> Bend:
        """The distortion."""
        return Bend.of(self.parameters)

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return z + xi |p|."""
        return z + self.parameters["xi"] * np.sqrt(x * x + y * y + z * z)

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the distorted x and y over the depth."""
        depth = self.depth(x, y, z)
        return self.bend.forward(x / depth, y / depth)

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays whose images these are."""
        xi = self.parameters["xi"]
        a, b = self.bend.back(a, b)
        r2 = a * a + b * b
        far = (xi + np.sqrt(1 + (1 - xi * xi) * r2)) / (1 + r2)
        return unit(far * a, far * b, far - xi)

    def own_limit_rad(self) -> float:
        """Return where the depth vanishes, the sphere turns away, or the distortion folds back."""
        xi, turn = self.parameters["xi"], self.bend.turn()
        sphere = math.acos(-xi) if xi <= 1 else math.acos(-1 / xi)
        inside = 1 + (1 - xi * xi) * turn * turn if math.isfinite(turn) else -1.0
        if inside < 0:  # the distortion folds beyond all that the sphere shows
            return sphere
        far = (xi + math.sqrt(inside)) / (1 + turn * turn)
        return min(sphere, math.atan2(far * turn, far - xi))


class Eucm(Focal):
    """The extended unified camera model: `alpha` between pinhole and sphere, `beta` the ellipse."""

    MODEL = "eucm"
    REQUIRED: ClassVar[tuple[str, ...]] = ("fx", "fy", "cx", "cy", "alpha", "beta")
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({"skew": 0.0})

    def check(self) -> None:
        """Check the focal lengths, alpha and beta."""
        super().check()
        _check_alpha(self)
        if not self.parameters["beta"] > 0:
            raise self.error("beta above 0", f"{self.parameters['beta']:g}", at="beta")

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return alpha d + (1 - alpha) z."""
        alpha, beta = self.parameters["alpha"], self.parameters["beta"]
        return alpha * np.sqrt(beta * (x * x + y * y) + z * z) + (1 - alpha) * z

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return x and y over the depth."""
        depth = self.depth(x, y, z)
        return x / depth, y / depth

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays whose images these are."""
        alpha, beta = self.parameters["alpha"], self.parameters["beta"]
        r2 = a * a + b * b
        z = (1 - beta * alpha * alpha * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * beta * r2) + (1 - alpha))
        return unit(a, b, z)

    def own_limit_rad(self) -> float:
        """Return where z = -w d."""
        beta, w = self.parameters["beta"], _ratio(self.parameters["alpha"])
        return math.pi - math.atan2(math.sqrt(1 - w * w), w * math.sqrt(beta))


class DoubleSphere(Focal):
    """Two unit spheres whose centres are `xi` apart, then a pinhole moved by alpha."""

    MODEL = "double_sphere"
    REQUIRED: ClassVar[tuple[str, ...]] = ("fx", "fy", "cx", "cy", "xi", "alpha")
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({"skew": 0.0})

    def check(self) -> None:
        """Check the focal lengths, alpha and xi."""
        super().check()
        _check_alpha(self)
        if not self.parameters["xi"] > -1:
            raise self.error("xi above -1", f"{self.parameters['xi']:g}", at="xi")

    def depth(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Return alpha d2 + (1 - alpha) (xi d1 + z)."""
        xi, alpha = self.parameters["xi"], self.parameters["alpha"]
        across = x * x + y * y
        moved = xi * np.sqrt(across + z * z) + z
        return alpha * np.sqrt(across + moved * moved) + (1 - alpha) * moved

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return x and y over the depth."""
        depth = self.depth(x, y, z)
        return x / depth, y / depth

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays whose images these are."""
        xi, alpha = self.parameters["xi"], self.parameters["alpha"]
        r2 = a * a + b * b
        z = (1 - alpha * alpha * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * r2) + 1 - alpha)
        far = (z * xi + np.sqrt(z * z + (1 - xi * xi) * r2)) / (z * z + r2)
        return unit(far * a, far * b, far * z - xi)

    def own_limit_rad(self) -> float:
        """Return where z = -w |p|, or where a first sphere that is farther than its radius turns away."""
        xi, w = self.parameters["xi"], _ratio(self.parameters["alpha"])
        second = math.acos(max(-1.0, -(w + xi) / math.sqrt(2 * w * xi + xi * xi + 1)))
        return min(second, math.acos(-1 / xi)) if xi > 1 else second


def _check_alpha(lens: Focal) -> None:
    if not 0 <= lens.parameters["alpha"] <= 1:
        raise lens.error("alpha from 0 to 1", f"{lens.parameters['alpha']:g}", at="alpha")


def _ratio(alpha: float) -> float:
    return alpha / (1 - alpha) if alpha <= 0.5 else (1 - alpha) / alpha
