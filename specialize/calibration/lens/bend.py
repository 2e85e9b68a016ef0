"""Distort points on the plane, and undistort them: radial (polynomial or rational), tangential and thin prism."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.calibration.lens.monotonic import inverse, real_zeros

Floats = npt.NDArray[np.float64]

STEPS = 60
FARTHEST = 1e8
"""Radius on the plane of focal length 1 beyond which nothing is looked for."""
RESIDUE = 1e-12


@dataclass(frozen=True, slots=True)
class Bend:
    """Distortion of a place (a, b) on the plane of focal length 1.

    Attributes:
        radial: k1, k2, k3: the numerator is 1 + k1 r2 + k2 r4 + k3 r6.
        below: k4, k5, k6: the denominator likewise.
        tangential: p1, p2.
        prism: s1, s2, s3, s4.
    """

    radial: tuple[float, ...]
    below: tuple[float, ...] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    prism: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @classmethod
    def of(cls, parameters: Mapping[str, float]) -> Bend:
        """Return the distortion of parameters by OpenCV's names; what is not there is 0."""
        k, p, s = (
            [parameters.get(f"{letter}{number}", 0.0) for number in range(1, most + 1)]
            for letter, most in (("k", 6), ("p", 2), ("s", 4))
        )
        return cls(tuple(k[:3]), tuple(k[3:]), (p[0], p[1]), (s[0], s[1], s[2], s[3]))

    @property
    def is_none(self) -> bool:
        """Return whether there is no distortion."""
        return not _any(*self.radial, *self.below, *self.tangential, *self.prism)

    def forward(self, a: Floats, b: Floats) -> tuple[Floats, Floats]:
        """Return where places go."""
        if self.is_none:
            return a, b
        (p1, p2), (s1, s2, s3, s4) = self.tangential, self.prism
        r2 = a * a + b * b
        gain = self._gain(r2)
        u, v = a * gain, b * gain
        if _any(p1, p2):
            u = u + 2 * p1 * (a * b) + p2 * (r2 + 2 * (a * a))
            v = v + p1 * (r2 + 2 * (b * b)) + 2 * p2 * (a * b)
        if _any(*self.prism):
            u, v = u + s1 * r2 + s2 * (r2 * r2), v + s3 * r2 + s4 * (r2 * r2)
        return u, v

    def back(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return the places that map to (u, v), before the fold, or NaN if there are none.

        Newton's iteration on both coordinates; a step that makes it worse is halved.
        """
        if self.is_none:
            return u, v
        turn, far = self.turn(), np.hypot(u, v)
        start = self._radius(far, turn) / np.maximum(far, 1e-300)
        a, b = u * start, v * start
        off = self._off(a, b, u, v)
        for _ in range(STEPS):
            step_a, step_b = self._step(a, b, u, v)
            part = np.ones_like(off)
            for _ in range(12):
                worse = ~(self._off(a - part * step_a, b - part * step_b, u, v) <= off) & (off > 0)
                if not worse.any():
                    break
                part = np.where(worse, part / 2, part)
            a, b = a - part * step_a, b - part * step_b
            before, off = off, self._off(a, b, u, v)
            if not (off < before).any():
                break
        fine = (off <= RESIDUE * np.maximum(1.0, far)) & (np.hypot(a, b) <= turn * (1 + 1e-9))
        return np.where(fine, a, np.nan), np.where(fine, b, np.nan)

    def turn(self) -> float:
        """Return the radius up to which no two places map to the same one, or infinity.

        The derivative is that of the radial part, whose eigenvalues are its slope and its gain, and that of the others,
        of norm at most `6 |p| r + 2 |s13| r + 4 |s24| r^3`. While the first are greater than the second, the symmetric
        part is positive, and the map is injective on the disc.
        """
        above, below = (
            np.polynomial.Polynomial([1.0, 0.0, k[0], 0.0, k[1], 0.0, k[2]])
            for k in (self.radial, self.below)
        )
        linear = 6 * math.hypot(*self.tangential) + 2 * math.hypot(*self.prism[::2])
        others = (
            np.polynomial.Polynomial([0.0, linear, 0.0, 4 * math.hypot(*self.prism[1::2])]) * below * below
        )
        radius = np.polynomial.Polynomial([0.0, 1.0]) * above
        slope = (
            radius.deriv() * below - radius * below.deriv()
        )  # times the square of the denominator, like the rest
        return min(map(_first_zero, (slope - others, above * below - others, below)))

    def _gain(self, r2: Floats) -> Floats:
        k1, k2, k3 = self.radial
        gain = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if _any(*self.below):
            k4, k5, k6 = self.below
            gain = gain / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return gain

    def _radius(self, far: Floats, turn: float) -> Floats:
        """Return the radii that the radial part alone takes so far; `turn` where it does not get there."""
        most = min(turn, FARTHEST)
        h = 1e-7

        def slope(r: Floats) -> Floats:
            return (self._along(r * (1 + h)) - self._along(r * (1 - h))) / np.maximum(2 * h * r, 1e-300)

        found = inverse(self._along, slope, far, most)
        return np.where(np.isnan(found), most, found)

    def _along(self, r: Floats) -> Floats:
        return r * self._gain(r * r)

    def _off(self, a: Floats, b: Floats, u: Floats, v: Floats) -> Floats:
        found = self.forward(a, b)
        off = np.hypot(found[0] - u, found[1] - v)
        return np.where(np.isnan(off), np.inf, off)

    def _step(self, a: Floats, b: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return Newton's step; the derivatives are central differences, which decide its speed and not its end."""
        h = 1e-6 * np.maximum(1e-3, np.hypot(a, b))
        (uap, vap), (uam, vam) = self.forward(a + h, b), self.forward(a - h, b)
        (ubp, vbp), (ubm, vbm) = self.forward(a, b + h), self.forward(a, b - h)
        ua, va, ub, vb = (
            (uap - uam) / (2 * h),
            (vap - vam) / (2 * h),
            (ubp - ubm) / (2 * h),
            (vbp - vbm) / (2 * h),
        )
        now = self.forward(a, b)
        f, g = now[0] - u, now[1] - v
        whole = ua * vb - ub * va
        whole = np.where(np.abs(whole) < 1e-12, 1e-12, whole)
        return (f * vb - g * ub) / whole, (g * ua - f * va) / whole


def _any(*coefficients: float | Floats) -> bool:
    """Whether one is not 0; an array is one of several lenses, all of which have it."""
    return any(isinstance(each, np.ndarray) or each for each in coefficients)


def _first_zero(polynomial: np.polynomial.Polynomial) -> float:
    """Return the first positive zero of a polynomial, or infinity if there is none."""
    zeros = real_zeros(polynomial.coef)
    return min(zeros[zeros > 0], default=math.inf)
