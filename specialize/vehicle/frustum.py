"""Define the frustum of a contract: the points that a model lifts from every pixel, and their cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.vehicle.binary import FileRefusedError
from specialize.vehicle.words import Reason

EGO, DOWN = 1, 2
MOST = 1 << 24
LARGEST_NUMBER = 1e9

FRUSTUM = np.dtype(
    [
        ("shape", "<u4", 3),
        ("cells", "<u4", 3),
        ("how", "<u4"),
        ("zero", "<u4"),
        ("u_px", "<f8", 2),
        ("v_px", "<f8", 2),
        ("depth_m", "<f8", 2),
        ("range_m", "<f8", 6),
        ("rounding", "<f8"),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Frustum:
    """A record of `FRUSTUM`: see docs/reference/vehicle-files.md."""

    record: npt.NDArray[np.void]

    def to_bytes(self) -> bytes:
        """Return the record."""
        return self.record.tobytes()


def parse_frustum(data: bytes, at: int) -> Frustum:
    """Return the record at a place.

    Raises:
        FileRefusedError: There is none.
    """
    if len(data) - at < FRUSTUM.itemsize:
        raise FileRefusedError(Reason.MALFORMED)
    record = np.frombuffer(data, FRUSTUM, 1, at).reshape(())
    counts = [[int(count) for count in record[name]] for name in ("shape", "cells")]
    numbers = np.concatenate(
        [np.atleast_1d(record[name]) for name in ("u_px", "v_px", "depth_m", "range_m", "rounding")]
    )
    with np.errstate(invalid="ignore"):
        finite = bool((np.abs(numbers) <= LARGEST_NUMBER).all())
    sizes = all(min(each) > 0 and math.prod(each) <= MOST for each in counts)
    if not (sizes and finite) or record["how"] > EGO + DOWN or record["zero"] != 0:
        raise FileRefusedError(Reason.MALFORMED)
    return Frustum(record)
