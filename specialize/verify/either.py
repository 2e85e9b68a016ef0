"""Accept either of two values where the original itself gives both, depending on the order of sums.

A point on the border of an image or of a cell is on one side of it in one order of sums, and on the other side in
another order. The values that it contributes to are then off by much, in a few places, although no rounding was
amplified: a bound that follows noise does not cover this, and must not. The specialized model computes the point once,
from a constant calibration, and must equal the original in one of both orders, value by value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specialize.evidence.tolerance import Tolerance
from specialize.verify.conditioning import MOST_NOISE
from specialize.verify.tolerance import allowed_by


@dataclass(slots=True)
class Unsettled:
    """How many values of an output differ between two orders of sums of the original.

    Attributes:
        values: Those that differ by more than is allowed, over all frames.
        of: All values.
    """

    values: int = 0
    of: int = 0

    @property
    def few(self) -> bool:
        """Whether the others are enough to compare."""
        return self.values <= MOST_NOISE * self.of

    @property
    def remark(self) -> str:
        """What that means, in words; empty if there are none."""
        if not self.values:
            return ""
        return (
            f"ill-conditioned: in {self.values:,} of {self.of:,} values the original itself differs between two "
            "orders of sums (a point on the border of an image or of a cell); for these the specialized model may "
            "equal either"
        )


def nearer(
    first: np.ndarray, second: np.ndarray, got: np.ndarray, tolerance: Tolerance
) -> tuple[np.ndarray, int]:
    """Return what a value must equal: the nearer of two where these differ by more than is allowed, else the first.

    Args:
        first: The original's output, any shape.
        second: The same in another order of sums.
        got: The specialized model's output.
        tolerance: What may differ.

    Returns:
        The values, and the number of those where both differ.
    """
    a, b, c = (array.astype(np.float64) for array in (first, second, got))
    with np.errstate(invalid="ignore"):
        unsettled = np.abs(a - b) > allowed_by(tolerance, a)
        other = unsettled & (np.abs(c - b) < np.abs(c - a))
    return np.where(other, second, first), int(np.count_nonzero(unsettled))
