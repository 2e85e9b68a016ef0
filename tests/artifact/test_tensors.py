"""A tensor file gives back what was written, or says that it is not what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from specialize.artifact.tensors import read_tensors, tensors_bytes
from specialize.errors import InputError

TENSORS = {
    "rows": np.arange(6, dtype=np.int64),
    "points": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
}
ABOUT = {"vehicle": "car42"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with two tensors."""
    path = tmp_path / "table.safetensors"
    path.write_bytes(tensors_bytes(TENSORS, ABOUT))
    return path


def test_what_was_written_comes_back(path: Path) -> None:
    """Names, types, shapes, numbers and metadata are the same, for the format's own reader too."""
    tensors, metadata = read_tensors(path)
    assert metadata == ABOUT
    for found in (tensors, load_file(path)):
        assert found.keys() == TENSORS.keys()
        for name, array in TENSORS.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


def test_one_wrong_byte_anywhere_is_noticed(path: Path) -> None:
    """Whichever byte of the file changes, it is refused with its name."""
    whole = path.read_bytes()
    spaces = whole.rindex(b"}", 0, 8 + int.from_bytes(whole[:8], "little")) + 1
    padding = range(spaces, 8 + int.from_bytes(whole[:8], "little"))
    for place in range(len(whole)):
        if place in padding:
            continue  # blanks that say nothing
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"table\.safetensors"):
            read_tensors(path)


def test_a_file_cut_short_is_noticed(path: Path) -> None:
    """No beginning of the file is taken for the file."""
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"table\.safetensors"):
            read_tensors(path)
