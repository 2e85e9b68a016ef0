"""Compute the scales of an output and of its elements, by which errors are measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MEDIAN_ROWS = 4096  # rows that a column's median is taken over: enough for a scale, cheap on 40000 queries
_FEW = 4  # with fewer rows or columns than this, a scale over them is meaningless

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def element_scale(values: Floats) -> Floats:
    """Return the scale that an element's error is measured by: `max(|x|, min(row scale, column scale))`.

    Args:
        values: (..., C) values; non-finite ones count as 0.

    Returns:
        The scales in C order, flattened.
    """
    shape = values.shape or (1,)
    magnitude = np.abs(np.where(np.isfinite(values), values, 0.0)).reshape(-1, shape[-1])  # (rows, C)
    if magnitude.size == 0:
        return magnitude.reshape(-1)
    rows, columns = magnitude.shape
    row = np.sqrt(np.mean(magnitude**2, axis=1, keepdims=True))  # (rows, 1)
    column = _median_of_nonzero(magnitude[:: -(-rows // _MEDIAN_ROWS)])  # (1, C)
    if columns < _FEW <= rows:
        around = np.broadcast_to(column, magnitude.shape)
    elif rows < _FEW:
        around = np.broadcast_to(row, magnitude.shape)
    else:
        around = np.minimum(row, column)
    return np.maximum(magnitude, around).reshape(-1)


def output_scale(array: np.ndarray) -> float:
    """Return the median magnitude of an output's finite values above zero; 0 where there are none."""
    if array.dtype.kind in "iub?":
        return 1.0
    magnitude = np.abs(array[np.isfinite(array)].astype(np.float64))
    positive = magnitude[magnitude > 0.0]
    return float(np.median(positive)) if positive.size else 0.0


def _median_of_nonzero(magnitude: Floats) -> Floats:
    """Return the (1, C) median of each column's values above 0; 0 where there are none."""
    ordered = np.sort(magnitude, axis=0)
    zeros = np.count_nonzero(ordered == 0.0, axis=0)
    last = ordered.shape[0] - 1
    middle = np.minimum(zeros + (ordered.shape[0] - zeros) // 2, last)
    return np.asarray(np.take_along_axis(ordered, middle[None, :], axis=0))
