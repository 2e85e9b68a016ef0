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
