"""A tensor file gives back what was written, or says that it is not what was written."""

from __future__ import annotations

import json
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


ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
LIES: dict[str, tuple[object, str]] = {
    "a tensor beyond the file": (
        {"a": ENTRY | {"shape": [12], "data_offsets": [0, 48]}},
        "at another offset than the header states",
    ),
    "tensors that overlap": ({"a": ENTRY, "b": ENTRY}, "overlap or leave a gap"),
    "a gap": ({"a": ENTRY | {"shape": [1], "data_offsets": [20, 24]}}, "overlap or leave a gap"),
    "bytes left over": (
        {"a": ENTRY | {"shape": [1], "data_offsets": [0, 4]}},
        "tensors of 4 bytes in a file with 24",
    ),
    "a huge shape": (
        {"a": ENTRY | {"shape": [1 << 40, 1 << 40]}},
        "at another offset than the header states",
    ),
    "a shape below zero": ({"a": ENTRY | {"shape": [-2, -3]}}, "whole numbers from 0"),
    "a shape of text": ({"a": ENTRY | {"shape": "23"}}, "whole numbers from 0"),
    "a shape of fractions": ({"a": ENTRY | {"shape": [6.0]}}, "whole numbers from 0"),
    "100 dimensions": ({"a": ENTRY | {"shape": [1] * 100 + [6]}}, "safetensors file"),
    "another type": ({"a": ENTRY | {"dtype": "Q9"}}, "Q9"),
    "a type of another size": ({"a": ENTRY | {"dtype": "F64"}}, "at another offset than the header states"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [6]}}, "data_offsets"),
    "an entry of text": ({"a": "x"}, "not a mapping"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": ENTRY}, "metadata that are not text"),
    "metadata that are none": ({"__metadata__": 3, "a": ENTRY}, "metadata that are not text"),
    "a list": ([1], "a header that is not a mapping"),
}


def lying(header: bytes, size: int = -1) -> bytes:
    """Return a file with that header and 24 bytes behind it."""
    return (len(header) if size < 0 else size).to_bytes(8, "little") + header + bytes(24)


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_refused(name: str, path: Path) -> None:
    """Shapes, types and places are compared with the file before a tensor is made."""
    header, said = LIES[name]
    path.write_bytes(lying(json.dumps(header).encode()))
    with pytest.raises(InputError, match=r"table\.safetensors") as caught:
        read_tensors(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a header of 0 bytes in a file of 0"),
        (lying(b"{}", 1 << 62), "a header of 4611686018427387904 bytes"),
        (lying(b"[" * 100_000), "recursion"),
        (lying(b'{"a": 1, "a": 2}'), "a duplicate name"),
        (lying(b'{"a": ' + b"9" * 10_000 + b"}"), "limit"),
    ],
)
def test_a_file_without_a_header_is_refused(content: bytes, said: str, path: Path) -> None:
    """Whatever stands in place of a header is an input error."""
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_tensors(path)


@pytest.mark.parametrize("place", ["/dev/zero", "/"])
def test_what_is_no_file_is_refused_unread(place: str) -> None:
    """A device would never end."""
    with pytest.raises(InputError, match="expected a safetensors file"):
        read_tensors(Path(place))
