"""Format numbers with their units: sizes in bytes are binary, all other prefixes decimal.

The one place where a figure becomes text: what a terminal shows is found again on a page.
"""

from __future__ import annotations

_DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MANY = 100
"""How many times more something may be before the ratio says nothing, because there was next to nothing before."""
_BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def count(value: int) -> str:
    """Return an integer in groups of three: `15,000`."""
    return f"{value:,}"


def three(value: float) -> str:
    """Return a number with at most three significant digits, or as many as it has before the point; no exponent."""
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def scaled(value: float, unit: str = "") -> str:
    """Return a number with three digits, its prefix and its unit: `2.44 GFLOP`, or `2.44 G` without one."""
    for factor, prefix in _DECIMAL:
        if abs(value) >= factor:
            return f"{three(value / factor)} {prefix}{unit}"
    return f"{three(value)} {unit}".strip()


def size(value: float) -> str:
    """Return a number of bytes with its binary unit: `12.9 GiB`."""
    for factor, unit in _BINARY:
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{three(value)} B"


def number(value: float | None, digits: int) -> str:
    """Format a number with a fixed count of decimals, or as a dash if there is none."""
    return "-" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}"  # and never `-0.00`


def small(value: float, digits: int = 2) -> str:
    """Return a difference with its exponent: `2.50e-05`."""
    return f"{value:.{digits}e}"


def milliseconds(seconds: float) -> str:
    """Return seconds in milliseconds, without the unit: `13.8`, `1,234`."""
    return number(1e3 * seconds, 1 if seconds < 1 else 0)


def percent(share: float, digits: int | None = None) -> str:
    """Return a share as per cent; without `digits`, with one below ten: `5.3 %`, `24 %`."""
    value = 100 * share
    return f"{value:.{int(0 < abs(value) < 10) if digits is None else digits}f} %"


def times(ratio: float, digits: int = 2) -> str:
    """Return a ratio as `5.30x`."""
    return f"{ratio:.{digits}f}x"


def saved(before: float, after: float) -> str:
    """Format how many times smaller, or larger, `after` is than `before`; a loss is not shown as a saving.

    A dash stands for a ratio that is none, because one of both is zero.
    """
    if not after or not before:
        return "-"
    if after > _MANY * before:
        return f">{_MANY}x more"
    more = times(after / before)
    return times(before / after) if after <= before or more == times(1) else f"{more} more"


def counted(count: int, word: str) -> str:
    """Return `1 vehicle`, `2 vehicles`, `2 queries`."""
    many = f"{word[:-1]}ies" if word.endswith("ry") else f"{word}s"
    return f"{count:,} {word if count == 1 else many}"


def sentence(text: str) -> str:
    """Return a line as a sentence: with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', ':')) else '.'}"
