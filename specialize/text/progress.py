"""Say what is being done: long work takes a function that is called with one line at a time."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


def quiet(line: str) -> None:
    """Say nothing."""
