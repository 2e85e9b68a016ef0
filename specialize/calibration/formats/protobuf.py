"""The few lines of the protobuf wire format that reading a calibration needs."""

from __future__ import annotations

import struct
from typing import Any

from specialize.errors import InputError

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


def first(message: dict[int, list[Any]], number: int, where: str) -> Any:
    """Return the first value of a field.

    Raises:
        InputError: The message has no such field.
    """
    if number not in message:
        raise InputError(where, f"the protobuf field {number}", "nothing there")
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
