"""A median with its quartiles, of values that were measured several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from specialize.text.record import Record


class Spread(Record, frozen=True, kw_only=True):
    """A median with its quartiles and extremes.

    Attributes:
        median: Half of the values lie below.
        low: A quarter lies below.
        high: Three quarters lie below.
        least: The smallest value.
        most: The largest value.
    """

    median: float
    low: float
    high: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        least, low, median, high, most = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist()
        return Spread(median=median, low=low, high=high, least=least, most=most)


def faster(seconds: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Return how many times faster than the first form each form is, round by round."""
    first = next(iter(seconds.values()))
    return {
        name: Spread.of([a / b for a, b in zip(first, each, strict=True)]) for name, each in seconds.items()
    }
