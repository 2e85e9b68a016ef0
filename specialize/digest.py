"""The one place where anything is hashed: sha256 over a canonical binary form.

Nothing in a digest depends on time, host, path or the formatting of a file. Numbers are hashed by
value: `1`, `1.0` and `1e0` agree, `-0.0` is `0.0`. Arrays are hashed with dtype and shape,
little endian, in C order. NaN is refused, because it is never meant.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def digest(value: object) -> str:
    """Return `sha256:<hex>` of a value made of mappings, sequences, strings, numbers and arrays.

    Raises:
        TypeError: A value has no canonical form.
        ValueError: A number is NaN.
    """
    state = hashlib.sha256()
    _feed(state, value)
    return f"sha256:{state.hexdigest()}"


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` of bytes as they are: the name of an object with this content."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """Return `sha256:<hex>` of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def short(full: str) -> str:
    """Return the first twelve hexadecimal digits of a digest, for people."""
    return full.removeprefix("sha256:")[:12]


def _feed(state: _Hash, value: object) -> None:
    if value is None:
        state.update(b"n")
    elif isinstance(value, bool | np.bool_):
        state.update(b"t" if value else b"f")
    elif isinstance(value, int | float | np.integer | np.floating):
        _feed_number(state, value)
    elif isinstance(value, str):
        _feed_bytes(state, b"s", value.encode())
    elif isinstance(value, bytes):
        _feed_bytes(state, b"b", value)
    elif isinstance(value, np.ndarray):
        _feed_array(state, value)
    elif isinstance(value, Mapping):
        _feed_mapping(state, value)
    elif isinstance(value, Sequence):
        state.update(b"l" + struct.pack("<q", len(value)))
        for item in value:
            _feed(state, item)
    else:
        raise TypeError(f"no canonical form for {type(value).__name__}")


def _feed_bytes(state: _Hash, tag: bytes, data: bytes) -> None:
    state.update(tag + struct.pack("<q", len(data)) + data)


def _feed_number(state: _Hash, value: int | float | np.integer | np.floating) -> None:
    number = float(value)
    if math.isnan(number):
        raise ValueError("NaN has no digest")
    if isinstance(value, int | np.integer) and int(number) != int(value):
        _feed_bytes(state, b"i", str(int(value)).encode())
    else:
        state.update(b"d" + struct.pack("<d", number + 0.0))


def _feed_array(state: _Hash, value: np.ndarray) -> None:
    if value.dtype == object:
        raise TypeError("no canonical form for arrays of objects")
    array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    if array.dtype.kind in "fc":
        if np.isnan(array).any():
            raise ValueError("NaN has no digest")
        array = array + array.dtype.type(0)  # -0.0 becomes 0.0
    header = f"{array.dtype.kind}{array.dtype.itemsize}{list(value.shape)}".encode()
    _feed_bytes(state, b"a", header)
    state.update(array.tobytes())


def _feed_mapping(state: _Hash, value: Mapping[object, object]) -> None:
    state.update(b"m" + struct.pack("<q", len(value)))
    by_name: Callable[[object], str] = str
    for key in sorted(value, key=by_name):
        _feed(state, str(key))
        _feed(state, value[key])
