"""Define a windshield in front of a camera: two polynomials in the ray's horizontal and vertical angle, as in NCore."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.errors import InputError

Floats = npt.NDArray[np.float64]

MOST_TERMS = 66  # order 10; known windshields have order 5
STEPS = 60
STEP_RAD = 1e-6


@dataclass(frozen=True, slots=True)
class Windshield:
    """What glass makes of a ray: phi = asin(x) and theta = asin(y) of its unit vector become polynomials of both.

    Attributes:
        horizontal: Coefficients of phi, lowest order first: all powers of phi, then those times theta, and so on, each
            row one shorter: 1, phi, phi^2, theta, phi theta, theta^2 for order 2.
        vertical: Coefficients of theta, likewise.
    """

    horizontal: tuple[float, ...]
    vertical: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the number of coefficients.

        Raises:
            InputError: It is none of a full polynomial, or one is not finite.
        """
        for name in ("horizontal", "vertical"):
            given = getattr(self, name)
            where = f"lens.windshield.{name}_poly"
            if not all(map(math.isfinite, given)):
                raise InputError(where, "finite numbers", str(list(given)))
            if len(given) > MOST_TERMS or _order(len(given)) is None:
                raise InputError(where, "1, 3, 6, 10, 15, 21, ... coefficients", str(len(given)))

    def after(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the unit rays of points as they leave the glass towards the lens."""
        length = np.sqrt(x * x + y * y + z * z)
        phi, theta = np.arcsin(x / length), np.arcsin(y / length)
        a, b = np.sin(_value(self.horizontal, phi, theta)), np.sin(_value(self.vertical, phi, theta))
        return a, b, np.sqrt(np.maximum(1 - a * a - b * b, 0.0)) * np.sign(z)

    def before(self, rays: Floats) -> Floats:
        """Return the unit rays (..., 3) outside whose images behind the glass these are, by Newton's iteration."""
        a, b, z = np.moveaxis(rays, -1, 0)
        wanted_phi, wanted_theta = np.arcsin(a), np.arcsin(b)
        phi, theta = wanted_phi, wanted_theta
        for _ in range(STEPS):
            f = _value(self.horizontal, phi, theta) - wanted_phi
            g = _value(self.vertical, phi, theta) - wanted_theta
            fp = (_value(self.horizontal, phi + STEP_RAD, theta) - wanted_phi - f) / STEP_RAD
            ft = (_value(self.horizontal, phi, theta + STEP_RAD) - wanted_phi - f) / STEP_RAD
            gp = (_value(self.vertical, phi + STEP_RAD, theta) - wanted_theta - g) / STEP_RAD
            gt = (_value(self.vertical, phi, theta + STEP_RAD) - wanted_theta - g) / STEP_RAD
            whole = fp * gt - ft * gp
            step = np.stack([(f * gt - g * ft) / whole, (g * fp - f * gp) / whole])
            phi, theta = phi - step[0], theta - step[1]
            if not np.nanmax(np.abs(step), initial=0.0) > 1e-16:
                break
        x, y = np.sin(phi), np.sin(theta)
        return np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0.0)) * np.sign(z)], axis=-1)

    def content(self) -> dict[str, object]:
        """Return the coefficients, for digests and files."""
        return {"horizontal_poly": list(self.horizontal), "vertical_poly": list(self.vertical)}


def _order(terms: int) -> int | None:
    """Return the order of a full polynomial of two variables with so many terms, or None if there is none."""
    order = (math.isqrt(8 * terms + 1) - 3) // 2
    return order if terms > 0 and (order + 1) * (order + 2) // 2 == terms else None


def _value(coefficients: Sequence[float], phi: Floats, theta: Floats) -> Floats:
    order = _order(len(coefficients))
    assert order is not None
    rows, at = [], 0
    for power in range(order + 1):
        count = order + 1 - power
        rows.append(polynomial(coefficients[at : at + count], phi))
        at += count
    found = rows[-1]
    for row in rows[-2::-1]:
        found = found * theta + row
    return found


def polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    """Return a polynomial's values, lowest power first, by Horner's rule."""
    found = x * 0.0 + coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        found = found * x + coefficient
    return found
