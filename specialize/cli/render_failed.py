"""Say which profiles of a fleet cannot be used, and why."""

from __future__ import annotations

from specialize.fleet.load import Failed


def failed_line(failed: Failed) -> str:
    """Return one profile's error; most reasons name the file themselves."""
    path = str(failed.path)
    return f"error: {failed.reason}" if failed.reason.startswith(path) else f"error: {path}: {failed.reason}"
