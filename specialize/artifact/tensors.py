"""Tensor files: the safetensors format, written so that equal tensors give equal bytes.

Eight bytes of length, a JSON header with type, shape and place of every tensor, then the tensors, little endian.
The header's metadata carry a digest of all that the file says, so that one wrong bit is noticed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specialize.digest import digest
from specialize.errors import InputError
from specialize.files import explained

Array = npt.NDArray[np.generic]

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
    written, found = metadata.pop(_DIGEST, "none"), _content_digest(tensors, metadata)
    if written != found:
        raise InputError(str(path), f"the content that was written, {written}", found, "make the file again")
    return tensors, metadata


def _content_digest(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    return digest([dict(tensors), dict(metadata)])


def _parsed(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    with explained(path):
        try:
            raw = path.read_bytes()
            size = int.from_bytes(raw[:8], "little")
            header = json.loads(raw[8 : 8 + size])
            metadata = header.pop(_METADATA, {})
            return {name: _tensor(raw[8 + size :], entry) for name, entry in header.items()}, metadata
        except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(str(path), "a safetensors file", str(error)) from error


def _tensor(data: bytes, entry: Mapping[str, object]) -> Array:
    begin, end = (int(str(place)) for place in list(entry["data_offsets"]))  # type: ignore[call-overload]
    shape = tuple(int(str(size)) for size in list(entry["shape"]))  # type: ignore[call-overload]
    dtype = np.dtype(_TYPES[str(entry["dtype"])])
    if not 0 <= begin <= end <= len(data) or end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor that is not where the header says")
    return np.frombuffer(data[begin:end], dtype).reshape(shape)
