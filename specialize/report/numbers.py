"""Numbers as reports set them: narrow spaces between groups, multiplication signs, widths of bars."""

from __future__ import annotations

from specialize.text import units
from specialize.text.units import scaled, size, three

__all__ = [
    "count",
    "operations",
    "percent",
    "plural",
    "saved",
    "scaled",
    "size",
    "small",
    "three",
    "times",
    "width",
]

_THIN = "\u202f"  # a narrow space that does not break
_TIMES = "\u00d7"


def operations(value: float) -> str:
    """Return a number of operations: `2.44 GFLOP`."""
    return scaled(value, "FLOP")


def count(value: int) -> str:
    """Return an integer in groups of three: `15 000`."""
    return f"{value:,}".replace(",", _THIN)


def small(value: float) -> str:
    """Return a difference with an exponent, and plain `0` for none."""
    return f"{value:.2e}" if value else "0"


def percent(share: float) -> str:
    """Return a share as per cent with one digit below ten."""
    number = 100 * share
    return f"{number:.1f}{_THIN}%" if 0 < abs(number) < 10 else f"{number:.0f}{_THIN}%"


def times(ratio: float) -> str:
    """Return a ratio as `5.30\u00d7`."""
    return units.times(ratio).replace("x", _TIMES)


def saved(before: float, after: float) -> str:
    """Return how many times less `after` is than `before`, or how many times more; empty for no ratio."""
    return units.saved(before, after).replace("-", "").replace("x", _TIMES)


def width(share: float) -> str:
    """Return a share as the width of a bar in per cent, for a style attribute."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}"


def plural(number: int, singular: str, many: str = "") -> str:
    """Return `1 camera` or `3 cameras`."""
    return f"{count(number)} {singular if number == 1 else many or singular + 's'}"
