"""Why there is no graph for a target: a file beside the graphs of others, which get theirs."""

from __future__ import annotations

from pathlib import Path

FILE = "declined"


def write(room: Path, error: Exception) -> None:
    """Write into a target's folder what stopped its graph."""
    (room / FILE).write_text(" ".join(str(error).split()))


def read(room: Path) -> str:
    """Return what stopped a target's graph; empty if nothing did."""
    return (room / FILE).read_text() if (room / FILE).is_file() else ""
