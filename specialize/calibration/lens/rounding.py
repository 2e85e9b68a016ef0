"""Compute with numbers that carry a bound on their rounding error, so that a formula states its own error.

A formula of a lens takes these in the place of arrays. Every operation adds the rounding of its result, in the
precision of the model's graph, to what the errors of its operands become (running error analysis).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

Floats = npt.NDArray[np.float64]

ITERATION = 32
"""Roundings of the result that an iteration may be off by."""


class Rounded(NDArrayOperatorsMixin):
    """Values and bounds on their errors. Operations do not warn of what has no value; its bound is NaN or infinite.

    Attributes:
        value: (...) as exact arithmetic has it, up to float64.
        error: (...), or one for all: how far a graph's own value may be from it.
        unit: Unit roundoff of the graph: 2**-24 for float32.
    """

    __slots__ = ("error", "unit", "value")

    def __init__(self, value: Any, error: Any, unit: float) -> None:
        """Keep the arrays."""
        self.value, self.error, self.unit = value, error, unit

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Apply an operation of numpy; one that has no rule here is refused."""
        rule = RULES.get(ufunc)
        if rule is None or method != "__call__" or options:
            return NotImplemented
        return self._by(ufunc, rule, *inputs)

    def __add__(self, other: Any) -> Rounded:
        """Return the sum; like the others below, what the mixin does, without numpy's way round."""
        return self._by(np.add, _sum, self, other)

    def __sub__(self, other: Any) -> Rounded:
        """Return the difference."""
        return self._by(np.subtract, _sum, self, other)

    def __mul__(self, other: Any) -> Rounded:
        """Return the product."""
        return self._by(np.multiply, _multiply, self, other)

    def __truediv__(self, other: Any) -> Rounded:
        """Return the quotient."""
        return self._by(np.divide, _divide, self, other)

    def __radd__(self, other: Any) -> Rounded:
        """Return the sum."""
        return self._by(np.add, _sum, other, self)

    def __rsub__(self, other: Any) -> Rounded:
        """Return the difference."""
        return self._by(np.subtract, _sum, other, self)

    def __rmul__(self, other: Any) -> Rounded:
        """Return the product."""
        return self._by(np.multiply, _multiply, other, self)

    def _by(self, ufunc: np.ufunc, rule: Rule, *inputs: Any) -> Rounded:
        unit, values, errors = self.unit, [], []
        for each in inputs:
            if isinstance(each, Rounded):
                values.append(each.value)
                errors.append(each.error)
            else:  # constants of a formula round as well
                values.append(each)
                errors.append(unit * abs(each))
        found = ufunc(*values)
        return Rounded(found, rule(values, errors) + (2 * unit) * abs(found), unit)


Rule = Callable[[list[Any], list[Any]], Any]


def _sum(x: list[Floats], e: list[Floats]) -> Floats:
    return e[0] + e[1]


def _multiply(x: list[Floats], e: list[Floats]) -> Floats:
    return abs(x[0]) * e[1] + abs(x[1]) * e[0] + e[0] * e[1]


def _divide(x: list[Floats], e: list[Floats]) -> Floats:
    smallest = abs(x[1]) - e[1]  # a denominator that may be 0 makes any quotient
    return np.where(smallest > 0, (e[0] + abs(x[0] / x[1]) * e[1]) / smallest, np.inf)


def _sqrt(x: list[Floats], e: list[Floats]) -> Floats:
    return np.minimum(np.sqrt(e[0]), e[0] / np.maximum(np.sqrt(np.maximum(x[0] - e[0], 0.0)), 1e-300))


def _arctan2(x: list[Floats], e: list[Floats]) -> Floats:
    error = np.hypot(*e)
    nearest = np.hypot(*x) - error
    return np.where(nearest > 0, error / nearest, np.inf)


def _arcsin(x: list[Floats], e: list[Floats]) -> Floats:
    room = 1 - np.minimum(np.abs(x[0]) + e[0], 1.0) ** 2
    return np.where(room > 0, e[0] / np.sqrt(np.maximum(room, 1e-300)), np.inf)


RULES: dict[np.ufunc, Rule] = {
    np.add: _sum,
    np.subtract: _sum,
    np.multiply: _multiply,
    np.divide: _divide,
    np.negative: lambda x, e: e[0],
    np.sqrt: _sqrt,
    np.arctan2: _arctan2,
    np.arcsin: _arcsin,
    np.sin: lambda x, e: e[0],
    np.cos: lambda x, e: e[0],
    np.maximum: lambda x, e: np.maximum(e[0], e[1]),
    np.sign: lambda x, e: np.where(np.abs(x[0]) > e[0], 0.0, 2.0),
}
"""How the errors of operands become that of a result, for every operation that formulas use."""


def through(values: Any, function: Callable[[Floats], Floats], slope: Callable[[Floats], Floats]) -> Any:
    """Return a function of values that is not a single operation, such as an iteration; errors follow its slope.

    A graph may go about it in many ways; it is given `ITERATION` roundings of the result.
    """
    if not isinstance(values, Rounded):
        return function(values)
    found = function(values.value)
    error = 2 * np.abs(slope(values.value)) * values.error + ITERATION * values.unit * np.abs(found)
    return Rounded(found, error, values.unit)
