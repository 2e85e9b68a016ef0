"""Read the protobuf wire format without a library: fields of a message, and of one in a file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

from specialize.errors import InputError
from specialize.files.regular import open_regular

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(data: bytes, where: str) -> dict[int, list[Any]]:
    """Return the values of a message by field number: ints, or bytes of whatever the field holds.

    Raises:
        InputError: The bytes are not a message.
    """
    found: dict[int, list[Any]] = {}
    position = 0
    try:
        while position < len(data):
            key, position = _varint(data, position)
            kind, size = key & 7, 0
            if kind == _VARINT:
                value, position = _varint(data, position)
                found.setdefault(key >> 3, []).append(value)
                continue
            if kind == _BYTES:
                size, position = _varint(data, position)
            else:
                size = {_FIXED64: 8, _FIXED32: 4}[kind]
            if position + size > len(data):
                raise ValueError("cut off")
            found.setdefault(key >> 3, []).append(data[position : position + size])
            position += size
    except (IndexError, KeyError, ValueError, TypeError):
        raise InputError(where, "a protobuf message", f"other bytes at {position}") from None
    return found


def field_of_file(path: Path, number: int) -> list[bytes]:
    """Return the values of one field of the message in a file; the others are skipped without reading them.

    Raises:
        InputError: The file holds no message.
    """
    found: list[bytes] = []
    with open_regular(path) as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(0)
        while (place := file.tell()) < end:
            try:
                key = _varint_of(file)
                kind = key & 7
                size = _varint_of(file) if kind in (_VARINT, _BYTES) else {_FIXED64: 8, _FIXED32: 4}[kind]
            except (KeyError, ValueError):
                raise InputError(str(path), "a protobuf message", f"other bytes at {place}") from None
            if kind == _VARINT:
                continue
            if file.tell() + size > end:
                raise InputError(str(path), "a protobuf message", f"{end} bytes of it")
            if key >> 3 == number and kind == _BYTES:
                found.append(file.read(size))
            else:
                file.seek(size, io.SEEK_CUR)
    return found


def first(message: dict[int, list[Any]], number: int, where: str) -> Any:
    """Return the first value of a field.

    Raises:
        InputError: The message has no such field.
    """
    if number not in message:
        raise InputError(where, f"the protobuf field {number}", "nothing")
    return message[number][0]


def doubles(values: list[Any]) -> list[float]:
    """Return repeated doubles, packed or one by one."""
    return [number for (number,) in struct.iter_unpack("<d", b"".join(values))]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("too long")


def _varint_of(file: io.BufferedReader) -> int:
    """Return the variable-length integer that a file is at."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("too long or cut off")
