"""Compute digests of values and files: sha256 over a canonical binary form.

Nothing in a digest depends on time, host, path or the formatting of a file. Numbers are hashed by value: `1`, `1.0` and
`1e0` agree, `-0.0` is `0.0`. Arrays are hashed with dtype and shape, little endian, in C order. NaN is rejected,
because it is never meant.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from specialize.files.regular import open_regular

UNSEALED = f"sha256:{'0' * 64}"
"""Placeholder of a document's own digest while that digest is computed."""

_SETTLED_NS = 2_000_000_000
"""Age after which a file's times reveal a later change: coarse clocks of file systems count in two seconds."""

_MOST_KNOWN = 1 << 16
"""Files whose digests a process keeps: some 30 MB."""

_known: dict[tuple[int, ...], str] = {}
"""Digests of files that this process has read, by device, inode, size and times."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


class _Form:
    """Takes what a hash would take, and keeps it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def update(self, data: bytes, /) -> None:
        self.data += data


def digest(value: object) -> str:
    """Return `sha256:<hex>` of a value made of mappings, sequences, strings, numbers and arrays.

    Raises:
        TypeError: A value has no canonical form.
        ValueError: A number is NaN.
    """
    state = hashlib.sha256()
    _feed(state, value)
    return f"sha256:{state.hexdigest()}"


def canonical(value: object) -> bytes:
    """Return the canonical form of a value, whose sha256 is its digest; raises what `digest` does."""
    form = _Form()
    _feed(form, value)
    return bytes(form.data)


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` of bytes as they are: the name of an object with this content."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """Return `sha256:<hex>` of a file's bytes.

    A process reads a file once: the digest is kept with inode, size, and times of the last change, and read again if
    one of them differs. A file that changed in the last two seconds is not kept, because a further change might leave
    its times as they are.
    """
    with open_regular(path) as file:
        before = _identity(file.fileno())
        if before not in _known:
            found = digest_stream(file)
            settled = time.time_ns() - max(before[-2:]) > _SETTLED_NS
            if not settled or _identity(file.fileno()) != before:
                return found
            _keep(before, found)
    return _known[before]


def copy_file(source: Path, target: Path) -> None:
    """Copy a file into a folder that only this process writes; where the digest of one is known, so is the other's."""
    shutil.copyfile(source, target)
    note_copy(source, target)


def note_copy(source: Path, target: Path) -> None:
    """Keep for a copy that this process has just made the digest that it keeps of the source.

    Nothing is read. The copy is read after all if anything about it changes; no other process may write to its
    folder within the two seconds in which its times might stay the same.
    """
    with open_regular(source) as one, open_regular(target) as other:
        known = _known.get(_identity(one.fileno()))
        if known is not None and os.fstat(one.fileno()).st_size == os.fstat(other.fileno()).st_size:
            _keep(_identity(other.fileno()), known)


def _keep(identity: tuple[int, ...], found: str) -> None:
    """Keep the digest of a file for the next time."""
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[identity] = found


def digest_stream(file: io.BufferedIOBase) -> str:
    """Return `sha256:<hex>` of what is left to read in an open file."""
    return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _identity(descriptor: int) -> tuple[int, ...]:
    """Return values that change whenever the content of an open file does."""
    stat = os.fstat(descriptor)
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def seal(text: str) -> str:
    """Return a document with its own digest in place of `UNSEALED`, which it must contain once.

    The digest is that of the text before the replacement, so that it can be checked: put 64 zeros back in its place.
    """
    return text.replace(UNSEALED, digest_bytes(text.encode()), 1)


def sealed_digest(text: bytes, claimed: str) -> str:
    """Return the correct digest of a document that names its own digest; `claimed` is the digest that it names."""
    return digest_bytes(text.replace(claimed.encode(), UNSEALED.encode(), 1))


def short(full: str) -> str:
    """Return the first twelve hexadecimal digits of a digest, for people."""
    return full.removeprefix("sha256:")[:12]


def _feed(state: _Hash, value: object) -> None:
    (_FORMS.get(type(value)) or _form_of(value))(state, value)


def _form_of(value: object) -> Callable[[_Hash, Any], None]:
    """Return how a value is hashed: as the first kind in `_FORMS` that it is an instance of."""
    form = next((form for kind, form in _FORMS.items() if isinstance(value, kind)), None)
    if form is None:
        raise TypeError(f"no canonical form for {type(value).__name__}")
    return form


def _feed_none(state: _Hash, value: None) -> None:
    state.update(b"n")


def _feed_truth(state: _Hash, value: bool | np.bool_) -> None:
    state.update(b"t" if value else b"f")


def _feed_text(state: _Hash, value: str) -> None:
    _feed_bytes(state, b"s", value.encode())


def _feed_plain(state: _Hash, value: bytes) -> None:
    _feed_bytes(state, b"b", value)


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


def _feed_sequence(state: _Hash, value: Sequence[object]) -> None:
    state.update(b"l" + struct.pack("<q", len(value)))
    for item in value:
        _feed(state, item)


_FORMS: dict[type, Callable[[_Hash, Any], None]] = {
    type(None): _feed_none,
    bool: _feed_truth,
    np.bool_: _feed_truth,
    **dict.fromkeys((float, int, np.integer, np.floating), _feed_number),
    str: _feed_text,
    bytes: _feed_plain,
    np.ndarray: _feed_array,
    **dict.fromkeys((dict, Mapping), _feed_mapping),
    **dict.fromkeys((list, tuple, Sequence), _feed_sequence),
}
"""Type -> how its values are hashed. Order counts for other types: a truth value is also an int, text a sequence."""
