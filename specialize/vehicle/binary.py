"""Define the header of the vehicle's files: kind, version, size, and a checksum that detects any one-word change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.checksum import checksum
from specialize.vehicle.words import NAME_BYTES, Reason

Bytes = npt.NDArray[np.uint8]

VERSION = 1
PREFIX = [("kind", "S8"), ("version", "<u4"), ("own", "<u4"), ("size", "<u8"), ("checksum", "<u8")]
"""Header fields of every file; `own` is a number with a meaning of its own for each kind."""


class FileRefusedError(ValueError):
    """Bytes are not a file of the expected kind.

    Attributes:
        reason: The reason, in the guard's words.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


def require_file(data: bytes, kind: bytes, least: int) -> None:
    """Reject bytes that are not an undamaged file of a kind.

    Raises:
        FileRefusedError: They are not; the tests run in the order of `bytes::open_file`.
    """
    if len(data) < 32:
        raise FileRefusedError(Reason.TOO_SHORT)
    size = int.from_bytes(data[16:24], "little")
    for refused, reason in (
        (data[:8] != kind, Reason.NOT_THIS_FILE),
        (int.from_bytes(data[8:12], "little") != VERSION, Reason.OTHER_VERSION),
        (size > len(data) or len(data) < least, Reason.TOO_SHORT),
        (size != len(data) or len(data) % 8 != 0, Reason.MALFORMED),
    ):
        if refused:
            raise FileRefusedError(reason)
    if checksum(data) != int.from_bytes(data[24:32], "little"):
        raise FileRefusedError(Reason.DAMAGED)


def padded(data: bytes) -> bytes:
    """Return bytes with zeros up to a multiple of 8."""
    return data + bytes(-len(data) % 8)


def is_name(field: npt.NDArray[np.void] | bytes) -> bool:
    """Return whether a name field is one: not empty, a zero behind it, and zeros to its end."""
    raw = bytes(field)
    name = raw.rstrip(b"\0")
    return 0 < len(name) < NAME_BYTES == len(raw) and b"\0" not in name


def raw_digest(digest: str) -> bytes:
    """Return the 32 bytes of `sha256:<hex>`."""
    return bytes.fromhex(digest.removeprefix("sha256:"))
