"""Compute the digests of many values of one form at once: values that differ in some numbers only.

The canonical form is laid out once, with marks where the numbers are; each value then needs a copy and a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from specialize.digest import canonical

Digests = NDArray[np.uint8]
"""(V, 32): sha256 each."""

_PREFIX = "sha256:"
_MARK = -1.7e308


class Form:
    """The canonical form of values that differ in float64 arrays of known shapes."""

    def __init__(self, value: Callable[..., object], *shapes: tuple[int, ...]) -> None:
        """Lay out the form.

        Args:
            value: Returns the value that holds the arrays it is given; an array of shape () as a number.
            shapes: Of the arrays.
        """
        marks = [np.full(shape, _MARK * (1 - (index + 1) * 2.0**-20)) for index, shape in enumerate(shapes)]
        form = canonical(value(*(mark if mark.ndim else float(mark) for mark in marks)))
        self._form = np.frombuffer(form, np.uint8)
        self._places = [_only_place(form, mark.tobytes()) for mark in marks]

    def digests(self, count: int, *arrays: NDArray[np.float64]) -> Digests:
        """Return the digests of V values from their arrays, (V, ...) each, without NaN."""
        forms = np.tile(self._form, (count, 1))
        for array, (start, stop) in zip(arrays, self._places, strict=True):
            numbers = np.ascontiguousarray(array, "<f8").reshape(count, -1) + 0.0  # -0.0 becomes 0.0
            forms[:, start:stop] = numbers.view(np.uint8)
        return sha256_each(forms)


def sha256_each(rows: Sequence[bytes] | NDArray[np.uint8]) -> Digests:
    """Return the sha256 of each of V rows of bytes, (V, 32)."""
    found = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(found, np.uint8).reshape(-1, 32)


def as_bytes(digest: str) -> bytes:
    """Return the 32 bytes of `sha256:<hex>`."""
    return bytes.fromhex(digest.removeprefix(_PREFIX))


def as_text(digest: NDArray[np.uint8] | bytes) -> str:
    """Return 32 bytes as `sha256:<hex>`."""
    return _PREFIX + bytes(digest).hex()


def _only_place(form: bytes, mark: bytes) -> tuple[int, int]:
    start = form.index(mark)
    assert form.find(mark, start + 1) < 0, "a mark is a number that no value holds"
    return start, start + len(mark)
