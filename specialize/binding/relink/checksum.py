"""The checksum of the vehicle's files: it notices every change within one word."""

from __future__ import annotations

import numpy as np

_CHECKSUM_WORD = 3
_FACTOR = 0x9E3779B97F4A7C15


def checksum(data: bytes) -> int:
    """Return the sum over all 64-bit words but the checksum's own: `sum = sum * P + word`, modulo 2**64."""
    words = np.delete(np.frombuffer(data, "<u8"), _CHECKSUM_WORD)
    factors = np.full(len(words), _FACTOR, np.uint64)
    factors[0] = 1
    with np.errstate(over="ignore"):
        powers = np.multiply.accumulate(factors)[::-1]  # of the last word 1
        return int((words * powers).sum(dtype=np.uint64))


def sealed(data: bytes) -> bytes:
    """Return a file whose size is a multiple of 8 with size and checksum filled in."""
    whole = bytearray(data)
    whole[16:24] = len(data).to_bytes(8, "little")
    whole[24:32] = checksum(bytes(whole)).to_bytes(8, "little")
    return bytes(whole)
