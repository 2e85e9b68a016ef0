"""Numbers as people read them."""

from __future__ import annotations

_THIN = "\u202f"  # a narrow space that does not break
_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def scaled(value: float, unit: str) -> str:
    """Return a number with three digits and a prefix: `2.44 GFLOP`."""
    for factor, prefix in _SCALES:
        if abs(value) >= factor:
            return f"{three(value / factor)} {prefix}{unit}"
    return f"{three(value)} {unit}".strip()


def operations(value: float) -> str:
    """Return a number of operations: `2.44 GFLOP`."""
    return scaled(value, "FLOP")


def size(value: float) -> str:
    """Return a number of bytes: `734 MB`."""
    return scaled(value, "B")


def three(value: float) -> str:
    """Return a number with three significant digits and no exponent."""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


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
    """Return a ratio as `5.3x`, or a word when nothing is saved."""
    return f"{ratio:.2f}\u00d7" if ratio < 2 else f"{ratio:.1f}\u00d7"


def saved(before: float, after: float) -> str:
    """Return how many times less `after` is than `before`, or how many times more: a loss is no saving."""
    if not before or not after:
        return ""
    more = times(after / before)
    return times(before / after) if after <= before or more == times(1) else f"{more} more"


def width(share: float) -> str:
    """Return a share as the width of a bar in per cent, for a style attribute."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}"


def plural(number: int, singular: str, many: str = "") -> str:
    """Return `1 camera` or `3 cameras`."""
    return f"{count(number)} {singular if number == 1 else many or singular + 's'}"
