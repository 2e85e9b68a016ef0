"""Scan a pickle before it is loaded, because a few bytes may make an unpickler allocate gigabytes.

Python's unpickler allocates memory for a memo index and for a stated length before it checks that the file has that
many bytes. No pickler numbers more objects than it writes bytes.
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
    """Return the argument length of every opcode; -n: n bytes hold the length; -9: up to a newline; -99: no opcode."""
    table = [-99] * 256
    for opcode in pickletools.opcodes:
        size = 0 if opcode.arg is None else opcode.arg.n
        table[ord(opcode.code)] = size if size >= 0 else -_PREFIXES.get(size, 9)
    return table


_LENGTHS = _lengths()


def fault(data: bytes | mmap) -> str:
    """Return how a pickle asks for more memory than it has bytes, or an empty string."""
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
            break  # the unpickler reports it
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
    """Return the position after so many newlines, or the end."""
    for _ in range(lines):
        end = data.find(b"\n", place)
        if end < 0:
            return len(data)
        place = end + 1
    return place


def _beyond(code: int, digits: bytes, size: int) -> bool:
    return code == _PUT and digits.strip().isdigit() and int(digits) > size
