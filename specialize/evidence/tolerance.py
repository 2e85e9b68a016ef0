"""Define what a value may differ by."""

from __future__ import annotations

import math

import msgspec

from specialize.errors import UsageError


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tolerance of one output: |difference| <= atol + rtol * scale, the element's or its row's and column's.

    Attributes:
        atol: Absolute part, in the output's own unit.
        rtol: Relative part.
        nonfinite: Whether infinities and NaN may stand where the reference has them.
        mismatches: Share (0 to 1) of values that may differ; only for ties of indices and labels.
    """

    atol: float
    rtol: float
    nonfinite: bool = False
    mismatches: float = 0.0

    def __post_init__(self) -> None:
        """Reject tolerances that make no sense.

        Raises:
            UsageError: A number is not finite or negative, or more than all values may differ.
        """
        numbers = (self.atol, self.rtol, self.mismatches)
        if not all(math.isfinite(number) and number >= 0 for number in numbers) or self.mismatches > 1:
            raise UsageError("tolerance", "finite numbers from 0, mismatches at most 1", str(numbers))
