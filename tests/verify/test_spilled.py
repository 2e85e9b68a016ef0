"""Large values lie in files, and are what they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.verify import spilled
from specialize.verify.spilled import Spilled


def test_large_values_lie_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value is read as it was put; what is replaced or deleted leaves no file."""
    monkeypatch.setattr(spilled, "SMALL", 100)
    values = Spilled(tmp_path / "values")
    values["small"], values["large"] = np.arange(3), np.arange(100.0).reshape(4, 25)
    assert [path.name for path in (tmp_path / "values").iterdir()] == ["0.npy"]
    assert list(values) == ["small", "large"] and len(values) == 2
    np.testing.assert_array_equal(values["large"], np.arange(100.0).reshape(4, 25))
    values["large"] = values["large"][::-1]
    np.testing.assert_array_equal(values["large"], np.arange(100.0).reshape(4, 25)[::-1])
    assert [path.name for path in (tmp_path / "values").iterdir()] == ["1.npy"]
    values.clear()
    assert not list((tmp_path / "values").iterdir())
