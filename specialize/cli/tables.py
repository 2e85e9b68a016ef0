"""Plain aligned tables: names on the left, numbers on the right, no lines."""

from __future__ import annotations

from rich.table import Table


def table(first: str, *others: str) -> Table:
    """Return an empty table whose first column is left aligned, all others right aligned."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column(first, justify="left", vertical="bottom", no_wrap=True)
    for title in others:
        made.add_column(title, justify="right", no_wrap=True)
    return made


def number(value: float | None, digits: int) -> str:
    """Return a number with a fixed count of decimals; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def scaled(value: float) -> str:
    """Return a count with three significant digits and its prefix: 1.23 G."""
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:.3g} {prefix}"
    return f"{value:.0f}"


def size(value: int) -> str:
    """Return a number of bytes with its binary unit."""
    for power, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= power:
            return f"{value / power:.1f} {unit}"
    return f"{value} B"


def saved(before: float, after: float) -> str:
    """Return how many times less `after` is than `before`, or how many times more: a loss is no saving."""
    if after > before and not before:
        return "-"
    if after > before and (more := f"{after / before:.2f}x") != "1.00x":
        return f"{more} more"
    if after > before:
        return "1.00x"
    return times(before, after)


def times(before: float, after: float) -> str:
    """Return how many times less `after` is than `before`."""
    return f"{before / after:.2f}x" if after else "-"
