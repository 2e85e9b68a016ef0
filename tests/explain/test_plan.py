"""Which sidecar a plan is made with, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.errors import InputError
from specialize.explain.plan import resolve_spec
from tests.end_to_end.tiny_model import write_tiny


def test_a_model_that_is_not_there_is_what_is_missing(tmp_path: Path) -> None:
    """A wrong path is a wrong `--model`; of a model that is there, or alone has a sidecar, that is read."""
    with pytest.raises(InputError, match=r"--model: expected .* an ONNX file, got '.*nowhere\.onnx'"):
        resolve_spec(str(tmp_path / "nowhere.onnx"))
    model = write_tiny(tmp_path)
    assert resolve_spec(str(model)).name == "tiny"
    sidecar = model.with_suffix(".model.yaml")
    model.unlink()
    assert resolve_spec(str(model)).name == "tiny"
    sidecar.rename(tmp_path / "other.yaml")
    model.touch()
    with pytest.raises(InputError, match=r"tiny\.model\.yaml"):
        resolve_spec(str(model))
