"""How far points are inside the borders of what a camera with a lens sees, in units of what counts as near."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.calibration.lens import Lens, Rounded
from specialize.visibility.corners import NEAR_DEPTH, NEAR_PX, NEAR_RAD
from specialize.visibility.grid import Bools, Floats, VisibilityRule


def margins_of(lens: Lens, size_px: npt.NDArray[Any], points: Any, rule: VisibilityRule) -> list[Any]:
    """Return how far points are inside each border, by what counts as near: image (4), angle, depth."""
    width, height = size_px.astype(np.float64)
    with np.errstate(all="ignore"):
        x, y, z = points
        entered = lens.entering(x, y, z)
        u, v = lens.formula(*entered)
        u, v = u - lens.pixel_centre, v - lens.pixel_centre
        depth = (lens.depth(*entered) - rule.min_depth) / np.sqrt(x * x + y * y + z * z) / NEAR_DEPTH
        sides = [u / NEAR_PX, (width - u) / NEAR_PX, v / NEAR_PX, (height - v) / NEAR_PX]
        if rule.domain == "formula":
            return [*sides, depth]
        return [*sides, (lens.limit_rad - lens.angle_rad(*entered)) / NEAR_RAD, depth]


def in_doubt(margins: list[Rounded]) -> tuple[Bools, Floats]:
    """Return which points (P,) rounding decides, and the largest bound of each that may be seen, 0 for others."""
    value, error = (np.stack(each) for each in zip(*((m.value, m.error) for m in margins), strict=True))
    error[np.isnan(error)] = np.inf
    with np.errstate(invalid="ignore"):
        low, high = (value - error).min(axis=0), (value + error).min(axis=0)
    hidden = high < 0
    return ~(hidden | (low > 0)), np.where(hidden, 0.0, error.max(axis=0))  # in doubt also without a value


def least(margins: list[Floats]) -> Floats:
    """Return the least margin of each point (P,), 0 where one has no value."""
    found = reduce(np.minimum, margins)
    return np.where(np.isnan(found), 0.0, found)


def holds(margins: list[Floats], rule: VisibilityRule) -> Bools:
    """Return whether points are seen, from their margins: strictly inside, or on a border that is closed."""
    sides, others = reduce(np.minimum, margins[:4]), reduce(np.minimum, margins[4:])
    return np.asarray((sides >= 0 if rule.border == "closed" else sides > 0) & (others > 0), bool)
