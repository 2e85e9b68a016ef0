"""A profile that cannot be used is named once."""

from __future__ import annotations

from pathlib import Path

from specialize.cli.render_failed import failed_line
from specialize.fleet.load import Failed


def test_a_reason_that_names_the_file_is_not_preceded_by_it() -> None:
    """Errors of files begin with their path; others get it."""
    path = Path("fleet/van.yaml")
    assert (
        failed_line(Failed(path, f"{path}: cameras: expected a list"))
        == f"error: {path}: cameras: expected a list"
    )
    assert failed_line(Failed(path, "the worker died")) == f"error: {path}: the worker died"
