"""Define lenses that map the angle from the axis to a distance by a polynomial: most fisheyes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from specialize.calibration.lens.base import TINY, Floats, Lens
from specialize.calibration.lens.bend import Bend
from specialize.calibration.lens.focal import Focal
from specialize.calibration.lens.monotonic import first_turn, inverse, slope_of
from specialize.calibration.lens.rounding import through
from specialize.calibration.lens.windshield import polynomial


class Radial(Lens):
    """A lens with `distance(theta)`, a polynomial that rises from 0 up to the limit."""

    @abstractmethod
    def coefficients(self) -> tuple[float, ...]:
        """Return the polynomial, lowest power first."""

    def own_limit_rad(self) -> float:
        """Return where the polynomial stops rising, at most pi."""
        return first_turn(self.coefficients(), math.pi)

    def distance(self, theta: Floats) -> Floats:
        """Return the distance from the centre that an angle from the axis has."""
        return polynomial(self.coefficients(), theta)

    def angle_at(self, distance: Floats) -> Floats:
        """Return the angle of a distance from the centre, or NaN."""
        slope = slope_of(self.coefficients())
        return inverse(self.distance, lambda theta: polynomial(slope, theta), distance, self.limit_rad)

    def spread(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the place at the lens's distance from the centre, in the direction of x and y."""
        across = np.sqrt(x * x + y * y)
        share = self.distance(np.arctan2(across, z)) / np.maximum(across, TINY)
        return share * x, share * y

    def gather(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays of such places."""
        distance = np.hypot(a, b)
        theta = self.angle_at(distance)
        share = np.sin(theta) / np.maximum(distance, TINY)
        return np.stack([share * a, share * b, np.cos(theta)], axis=-1)


class KannalaBrandt(Focal, Radial):
    """The fisheye of OpenCV, ROS (`equidistant`) and Kalibr (`equi`): odd powers of the angle."""

    MODEL = "kannala_brandt"
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("skew", "k1", "k2", "k3", "k4"), 0.0)
    )

    def coefficients(self) -> tuple[float, ...]:
        """Return theta (1 + k1 theta^2 + k2 theta^4 + ...)."""
        return _odd(self.parameters[name] for name in ("k1", "k2", "k3", "k4"))

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the place on the plane of focal length 1."""
        return self.spread(x, y, z)

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays of places on that plane."""
        return self.gather(a, b)


class Fisheye62(KannalaBrandt):
    """Six radial coefficients and two tangential ones, as in Project Aria and Foxglove."""

    MODEL = "fisheye62"
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("skew", "k0", "k1", "k2", "k3", "k4", "k5", "p0", "p1"), 0.0)
    )

    def coefficients(self) -> tuple[float, ...]:
        """Return theta (1 + k0 theta^2 + k1 theta^4 + ...)."""
        return _odd(self.parameters[f"k{power}"] for power in range(6))

    @property
    def bend(self) -> Bend:
        """The tangential part; its names are the other way around in OpenCV."""
        return Bend((0.0, 0.0, 0.0), tangential=(self.parameters["p1"], self.parameters["p0"]))

    def own_limit_rad(self) -> float:
        """Return where the polynomial stops rising, or the tangential part folds back."""
        slope = slope_of(self.coefficients())
        most, turn = super().own_limit_rad(), np.array([self.bend.turn()])
        angle = inverse(self.distance, lambda theta: polynomial(slope, theta), turn, most)[0]
        return most if np.isnan(angle) else float(angle)

    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the place on the plane of focal length 1."""
        return self.bend.forward(*self.spread(x, y, z))

    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays of places on that plane."""
        return self.gather(*self.bend.back(a, b))


class RadialPoly(Radial):
    """WoodScape's lens: a polynomial of fourth order in px, and an aspect ratio of the pixels."""

    MODEL = "radial_poly"
    REQUIRED: ClassVar[tuple[str, ...]] = ("cx", "cy", "k1", "k2", "k3", "k4")
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType({"aspect": 1.0})
    IN_PIXELS: ClassVar[Mapping[str, int]] = MappingProxyType(
        dict.fromkeys(("cx", "cy", "k1", "k2", "k3", "k4"), 1)
    )

    def check(self) -> None:
        """Check the aspect ratio."""
        if not self.parameters["aspect"] > 0:
            raise self.error("an aspect ratio above 0", f"{self.parameters['aspect']:g}", at="aspect")

    def coefficients(self) -> tuple[float, ...]:
        """Return k1 theta + k2 theta^2 + ..., px."""
        return (0.0, *(self.parameters[f"k{power}"] for power in range(1, 5)))

    def formula(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows."""
        p = self.parameters
        a, b = self.spread(x, y, z)
        return a + p["cx"], p["aspect"] * b + p["cy"]

    def rays(self, u: Floats, v: Floats) -> Floats:
        """Return unit rays of pixels."""
        p = self.parameters
        return self.gather(u - p["cx"], (v - p["cy"]) / p["aspect"])

    def matrix(self) -> Floats:
        """Return the (3, 3) intrinsic of the same scale at the centre."""
        p = self.parameters
        return np.array([[p["k1"], 0.0, p["cx"]], [0.0, p["k1"] * p["aspect"], p["cy"]], [0.0, 0.0, 1.0]])


_TO_DISTANCE = tuple(f"a{power}" for power in range(6))
_TO_ANGLE = tuple(f"b{power}" for power in range(6))


class FTheta(Radial):
    """NVIDIA's f-theta: a polynomial in px, or its inverse, then a linear map.

    Parameters a0 to a5 take an angle to a distance, b0 to b5 a distance to an angle. `reference` is 0 if the first
    define the lens, and 1 if the others do; the polynomial that is not the reference is not used.
    """

    MODEL = "ftheta"
    REQUIRED: ClassVar[tuple[str, ...]] = ("cx", "cy")
    OPTIONAL: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("d", "e", *_TO_DISTANCE, *_TO_ANGLE, "reference"), 0.0) | {"c": 1.0}
    )
    IN_PIXELS: ClassVar[Mapping[str, int]] = MappingProxyType(
        dict.fromkeys(("cx", "cy", *_TO_DISTANCE), 1) | {name: -power for power, name in enumerate(_TO_ANGLE)}
    )
    REFERENCES: ClassVar[tuple[str, ...]] = ("angle_to_pixeldist", "pixeldist_to_angle")

    def check(self) -> None:
        """Check the reference, its polynomial, and the linear map."""
        p = self.parameters
        if p["reference"] not in (0.0, 1.0):
            raise self.error(
                "0 for angle_to_pixeldist, 1 for pixeldist_to_angle", f"{p['reference']:g}", at="reference"
            )
        names = _TO_ANGLE if p["reference"] else _TO_DISTANCE
        if p[names[0]] != 0.0:
            raise self.error("0: the axis is at the centre", f"{p[names[0]]:g}", at=names[0])
        if not p[names[1]] > 0:
            raise self.error("the reference polynomial, which rises", f"{p[names[1]]:g}", at=names[1])
        if not p["c"] - p["d"] * p["e"] > 0:
            raise self.error("a linear map that keeps the orientation: c > d e", f"c {p['c']:g}", at="c")

    def coefficients(self) -> tuple[float, ...]:
        """Return the reference polynomial."""
        return tuple(
            self.parameters[name] for name in (_TO_ANGLE if self.parameters["reference"] else _TO_DISTANCE)
        )

    def own_limit_rad(self) -> float:
        """Return where the reference polynomial stops rising, at most pi."""
        if not self.parameters["reference"]:
            return first_turn(self.coefficients(), math.pi)
        return min(math.pi, float(polynomial(self.coefficients(), np.array(self._farthest_px()))))

    def distance(self, theta: Floats) -> Floats:
        """Return the distance in px of an angle."""
        return (
            polynomial(self.coefficients(), theta)
            if not self.parameters["reference"]
            else self._solved(theta)
        )

    def angle_at(self, distance: Floats) -> Floats:
        """Return the angle of a distance in px."""
        if not self.parameters["reference"]:
            return super().angle_at(distance)
        inside = (distance >= 0) & (distance <= self._farthest_px())
        return np.where(inside, polynomial(self.coefficients(), distance), np.nan)

    def formula(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows."""
        p = self.parameters
        a, b = self.spread(x, y, z)
        return p["c"] * a + p["d"] * b + p["cx"], p["e"] * a + b + p["cy"]

    def rays(self, u: Floats, v: Floats) -> Floats:
        """Return unit rays of pixels."""
        p = self.parameters
        a, b = u - p["cx"], v - p["cy"]
        whole = p["c"] - p["d"] * p["e"]
        return self.gather((a - p["d"] * b) / whole, (p["c"] * b - p["e"] * a) / whole)

    def matrix(self) -> Floats:
        """Return the (3, 3) intrinsic of the same scale at the centre."""
        p = self.parameters
        focal = 1 / p["b1"] if p["reference"] else p["a1"]
        return np.array(
            [[focal * p["c"], focal * p["d"], p["cx"]], [focal * p["e"], focal, p["cy"]], [0.0, 0.0, 1.0]]
        )

    def _farthest_px(self) -> float:
        return first_turn(self.coefficients(), 1e6)

    def _solved(self, theta: Floats) -> Floats:
        slope = slope_of(self.coefficients())

        def solved(angle: Floats) -> Floats:
            return inverse(
                lambda px: polynomial(self.coefficients(), px),
                lambda px: polynomial(slope, px),
                angle,
                self._farthest_px(),
            )

        found: Floats = through(theta, solved, lambda angle: 1 / polynomial(slope, solved(angle)))
        return found


def _odd(coefficients: Iterable[float]) -> tuple[float, ...]:
    """Return x (1 + c0 x^2 + c1 x^4 + ...), lowest power first."""
    found = [0.0, 1.0]
    for each in coefficients:
        found += [0.0, each]
    return tuple(found)
