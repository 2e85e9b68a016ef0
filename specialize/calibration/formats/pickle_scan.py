"""Walks over a pickle before it is loaded: a few bytes may ask an unpickler for gigabytes.

The unpickler of Python makes room for an object's number in the memo, and for as many bytes as a length says, before
it looks whether the file has them. No file that a pickler wrote numbers more objects than it has bytes.
"""

from __future__ import annotations

import pickletools
from mmap import mmap

LONGEST_INTEGER = 9
"""Bytes of a whole number: 64 bits and a sign. Longer ones can be chosen so that all of them share one hash."""
LONGEST_DIGITS = 24

_STOP, _PUT, _LONG_PUT = ord("."), ord("p"), ord("r")
_LONGS = {0x8A: 1, 0x8B: 4}
_DIGITS = frozenset(b"ILp")
_PAIRS = frozenset(b"ci")  # module and name, two lines

_PREFIXES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


def _lengths() -> list[int]:
    """Return per opcode how long its argument is; -n: n bytes say how long; -9: up to a newline; -99: no opcode."""
    table = [-99] * 256
    for opcode in pickletools.opcodes:
        size = 0 if opcode.arg is None else opcode.arg.n
        table[ord(opcode.code)] = size if size >= 0 else -_PREFIXES.get(size, 9)
    return table


_LENGTHS = _lengths()


def fault(data: bytes | mmap) -> str:
    """Return what makes a pickle ask for more than it has; empty if nothing does."""
    size, place = len(data), 0
    while place < size:
        code = data[place]
        length = _LENGTHS[code]
        place += 1
        if length >= 0:
            if code == _LONG_PUT and int.from_bytes(data[place : place + 4], "little") > size:
                return f"an object numbered beyond the file's {size} bytes"
            place += length
        elif length == -99:
            break  # the unpickler says so
        elif length == -9:
            end = _line(data, place, 2 if code in _PAIRS else 1)
            if code in _DIGITS and (end - place > LONGEST_DIGITS or _beyond(code, data[place:end], size)):
                return f"a number that is out of bounds at byte {place}"
            place = end
        else:
            said = int.from_bytes(data[place : place - length], "little")
            place += said - length
            if place > size:
                return f"{said} bytes of an object where {size - (place - said)} are left"
            if code in _LONGS and said > LONGEST_INTEGER:
                return f"a whole number of {said} bytes"
        if code == _STOP:
            break
    return ""


def _line(data: bytes | mmap, place: int, lines: int) -> int:
    """Return the place behind so many newlines, or the end."""
    for _ in range(lines):
        end = data.find(b"\n", place)
        if end < 0:
            return len(data)
        place = end + 1
    return place


def _beyond(code: int, digits: bytes, size: int) -> bool:
    return code == _PUT and digits.strip().isdigit() and int(digits) > size
