"""Invert increasing functions by Newton's iteration inside a bracket, and find where a polynomial stops rising."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS = 80
ROOT_TOLERANCE = 1e-9
NOTHING = 1e-200
"""Share of the largest coefficient below which one of the highest powers is none."""


def first_turn(coefficients: Sequence[float], most: float) -> float:
    """Return the first x in (0, most] at which a polynomial, lowest power first, stops rising; 0 if it never rises."""
    slope = np.polynomial.Polynomial(coefficients).deriv()
    if not slope(0.0) > 0:
        return 0.0
    zeros = real_zeros(slope.coef)
    return min(zeros[(zeros > 0) & (zeros < most)], default=most)


def slope_of(coefficients: Sequence[float]) -> tuple[float, ...]:
    """Return the derivative of a polynomial, lowest power first."""
    return tuple(power * each for power, each in enumerate(coefficients))[1:] or (0.0,)


def real_zeros(coefficients: npt.ArrayLike) -> Floats:
    """Return the real zeros of a polynomial, lowest power first; double ones, which rounding moves aside, as well."""
    known = np.atleast_1d(np.asarray(coefficients, np.float64))
    trimmed = np.polynomial.polynomial.polytrim(known, NOTHING * float(np.abs(known).max()))
    roots = np.atleast_1d(np.polynomial.Polynomial(trimmed).roots())
    return np.asarray(
        roots.real[np.abs(roots.imag) <= ROOT_TOLERANCE * np.maximum(1.0, np.abs(roots))], np.float64
    )


def inverse(
    function: Callable[[Floats], Floats], slope: Callable[[Floats], Floats], wanted: Floats, most: float
) -> Floats:
    """Return x in [0, most] with `function(x) == wanted`, or NaN; the function must be increasing there.

    A Newton step that would leave the bracket becomes a bisection, so that it ends for any function that rises; the
    result is within 4 units in the last place of `most`, or the function within as many of what is wanted.
    """
    low, high = np.zeros_like(wanted), np.full_like(wanted, most)
    x = np.clip(wanted / max(float(slope(np.zeros(1))[0]), 1e-300), 0.0, most)
    for _ in range(STEPS):
        off = function(x) - wanted
        low, high = np.where(off <= 0, x, low), np.where(off >= 0, x, high)
        step = x - off / slope(x)
        inside = (step > low) & (step < high)
        following = np.where(inside, step, 0.5 * (low + high))
        following = np.where(off == 0, x, following)
        if not (np.abs(following - x) > 2 * np.spacing(most)).any():
            x = following
            break
        x = following
    outside = (wanted < 0) | (wanted > function(np.full(1, most))[0]) | np.isnan(wanted)
    return np.where(outside, np.nan, x)
