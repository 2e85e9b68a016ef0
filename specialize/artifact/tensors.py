"""Read and write safetensors files, such that equal tensors give equal bytes.

The file has eight bytes of length, a JSON header with type, shape and offset of every tensor, then the tensors, little
endian. The header's metadata contain a digest of the whole content, so that a single wrong bit is detected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.digest import digest
from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.files.regular import read_regular

Array = npt.NDArray[np.generic]

LARGEST_BYTES = 4 << 30
_LENGTH = 8  # bytes that say how long the header is
_METADATA, _DIGEST = "__metadata__", "content_digest"
_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4",
    "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code).str: name for name, code in _TYPES.items()}


def tensors_bytes(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a file with these tensors, sorted by name."""
    said = {**metadata, _DIGEST: _content_digest(tensors, metadata)}
    header: dict[str, object] = {_METADATA: {key: said[key] for key in sorted(said)}}
    parts: list[bytes] = []
    offset = 0
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        data = little.tobytes()
        kind = _NAMES[little.dtype.str]
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors and the metadata of a file.

    Raises:
        InputError: The file is missing, not one of these, or not as it was written.
    """
    tensors, metadata = _parsed(path)
    written = metadata.pop(_DIGEST, "none")
    try:
        found = _content_digest(tensors, metadata)
    except ValueError as error:
        raise InputError(str(path), "numbers", str(error), "make the file again") from error
    if written != found:
        raise InputError(str(path), f"the content as it was written, {written}", found, "make the file again")
    return tensors, metadata


def _content_digest(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    return digest([dict(tensors), dict(metadata)])


def _parsed(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    with explained(path):
        if not path.is_file():
            raise InputError(str(path), "a safetensors file", "a folder" if path.is_dir() else "no such file")
        if path.stat().st_size > LARGEST_BYTES:
            found = f"{path.stat().st_size} bytes"
            raise InputError(str(path), f"a safetensors file of at most {LARGEST_BYTES >> 30} GiB", found)
        raw = read_regular(path)
    try:
        header, data = _header(raw)
        metadata = header.pop(_METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("metadata that are not text")
        return _tiled(header, data), metadata
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        raise InputError(str(path), "a safetensors file", str(error)) from error


def _header(raw: bytes) -> tuple[dict[str, object], bytes]:
    """Return the header of a file, and the bytes behind it."""
    size = int.from_bytes(raw[:_LENGTH], "little")
    if not 2 <= size <= len(raw) - _LENGTH:
        raise ValueError(f"a header of {size} bytes in a file of {len(raw)}")
    header = json.loads(raw[_LENGTH : _LENGTH + size], object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise ValueError("a header that is not a mapping")
    return header, raw[_LENGTH + size :]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a header with a duplicate name")
    return dict(pairs)


def _tiled(header: Mapping[str, object], data: bytes) -> dict[str, Array]:
    """Return the tensors of a header, which lie one behind the other and fill the file."""
    tensors, ends = {}, {0}
    places: list[tuple[int, int]] = []
    for name, entry in header.items():
        if not isinstance(entry, dict):
            raise ValueError(f"an entry {name!r} that is not a mapping")
        tensors[name], place = _tensor(data, entry)
        places.append(place)
    for begin, end in sorted(places):
        if begin != max(ends):
            raise ValueError("tensors that overlap or leave a gap")
        ends.add(end)
    if max(ends) != len(data):
        raise ValueError(f"tensors of {max(ends)} bytes in a file with {len(data)} bytes for them")
    return tensors


def _tensor(data: bytes, entry: Mapping[str, Any]) -> tuple[Array, tuple[int, int]]:
    begin, end = entry["data_offsets"]
    shape, dtype = entry["shape"], np.dtype(_TYPES[entry["dtype"]])
    if not all(type(number) is int and number >= 0 for number in (begin, end, *shape)):
        raise ValueError("offsets or a shape that are not made of whole numbers from 0")
    if not begin <= end <= len(data) or end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor at another offset than the header states")
    return np.frombuffer(data[begin:end], dtype).reshape(shape), (begin, end)
