"""Drafts of models with lenses: what no graph names is left out, and said."""

from __future__ import annotations

from pathlib import Path

from specialize.explain.inspect import inspect_model
from tests.end_to_end.lens_model import write_lens_model


def test_a_few_numbers_of_each_camera_may_be_its_lens(tmp_path: Path) -> None:
    """The parameters of lenses are no matrices: the draft leaves them out and tells how they would be written."""
    path = write_lens_model(tmp_path)
    path.with_suffix(".model.yaml").unlink()
    found = inspect_model(path)
    assert found.drafted
    (line,) = [line for line in found.sidecar.splitlines() if "left out: D" in line]
    assert "[1, 4, 6]: 6 numbers per camera" in line and "{kind: lens, parameters:" in line
    assert "left out: query" not in found.sidecar and "left out: features" not in found.sidecar
