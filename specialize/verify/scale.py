"""Compute the scales of an output and of its elements, by which errors are measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MEDIAN_ROWS = 4096  # rows that a column's median is taken over: enough for a scale, cheap on 40000 queries
_FEW = 4  # with fewer rows or columns than this, a scale over them is meaningless

AT_ONCE = 1 << 16
"""Values whose scales are computed at a time, about: what is computed of them stays in a cache."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ElementScales:
    """The scales that errors of an array's elements are measured by: `max(|x|, min(row scale, column scale))`.

    Attributes:
        rows: Number of the array's rows: of all its axes but the last.
        column: (1, C) scale of each column.
    """

    rows: int
    column: Floats

    @classmethod
    def of(cls, array: np.ndarray) -> ElementScales:
        """Return the scales of a (..., C) array; non-finite values count as 0."""
        table = as_rows(array)
        some = _magnitude(table[:: max(1, -(-len(table) // _MEDIAN_ROWS))].astype(np.float64))
        return cls(len(table), _median_of_nonzero(some) if table.size else np.zeros((1, table.shape[1])))

    def at(self, values: Floats) -> Floats:
        """Return the scales of some (rows, C) rows of the array."""
        magnitude = _magnitude(values)
        with np.errstate(over="ignore"):  # an infinite scale allows nothing, see `compare`
            row = np.sqrt(np.mean(magnitude**2, axis=1, keepdims=True))  # (rows, 1)
        columns = magnitude.shape[1]
        around = row if self.rows < _FEW else np.minimum(row, self.column)
        return np.maximum(magnitude, self.column if columns < _FEW <= self.rows else around)


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Yield the rows of a (..., C) array, of `as_rows`, some at a time."""
    rows, columns = as_rows(array).shape
    step = max(1, AT_ONCE // columns)
    yield from (slice(start, start + step) for start in range(0, rows, step))


def element_scale(values: Floats) -> Floats:
    """Return the scale that each element of a (..., C) array is measured by, in C order, flattened."""
    table = as_rows(values)
    return ElementScales.of(table).at(table).reshape(-1) if table.size else table.reshape(-1)


def as_rows(array: np.ndarray) -> np.ndarray:
    """Return a (..., C) array as (rows, C); a single number as (1, 1)."""
    return array.reshape(-1, array.shape[-1] if array.size and array.shape else 1)


def output_scale(array: np.ndarray) -> float:
    """Return the median magnitude of an output's finite values above zero; 0 where there are none."""
    if array.dtype.kind in "iub?":
        return 1.0
    magnitude = np.abs(array[np.isfinite(array)].astype(np.float64))
    positive = magnitude[magnitude > 0.0]
    return float(np.median(positive)) if positive.size else 0.0


def _magnitude(values: Floats) -> Floats:
    return np.abs(np.where(np.isfinite(values), values, 0.0))


def _median_of_nonzero(magnitude: Floats) -> Floats:
    """Return the (1, C) median of each column's values above 0; 0 where there are none."""
    ordered = np.sort(magnitude, axis=0)
    zeros = np.count_nonzero(ordered == 0.0, axis=0)
    last = ordered.shape[0] - 1
    middle = np.minimum(zeros + (ordered.shape[0] - zeros) // 2, last)
    return np.asarray(np.take_along_axis(ordered, middle[None, :], axis=0))
