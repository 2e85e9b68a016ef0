"""Sections of a model's sidecar that only some models have."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

LARGEST_FRUSTUM = 1 << 24
"""Points of one camera that a frustum may have, and cells that they may land in."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A section of the file: immutable, unknown keys are errors."""


class FrustumSpec(Part, frozen=True, kw_only=True):
    """The points that a model lifts from every pixel of a feature map, and the cells that it adds them to.

    Attributes:
        shape: Depths, rows and columns of the points of one camera.
        depth_m: First and last depth, evenly spaced.
        u_px: First and last column in network pixels, evenly spaced; 0 and width - 1 without it.
        v_px: First and last row, likewise.
        cells: Number of cells along x, y and z.
        range_m: Box of the cells: x0 y0 z0 x1 y1 z1.
        frame: Frame of the box.
        cut: How a coordinate in units of cells becomes a whole number: what is up to one cell below the box is in its
            first cell `toward_zero`, and outside `down`.
    """

    shape: tuple[int, int, int]
    depth_m: tuple[float, float]
    cells: tuple[int, int, int]
    range_m: tuple[float, float, float, float, float, float]
    u_px: tuple[float, float] | None = None
    v_px: tuple[float, float] | None = None
    frame: Literal["lidar", "ego"] = "lidar"
    cut: Literal["toward_zero", "down"] = "toward_zero"

    def __post_init__(self) -> None:
        for name, counts in (("shape", self.shape), ("cells", self.cells)):
            if min(counts) < 1 or math.prod(counts) > LARGEST_FRUSTUM:
                expected = f"three numbers from 1 whose product is at most {LARGEST_FRUSTUM}"
                raise ValueError(f"{name}: expected {expected}, got {list(counts)}")
        numbers = (*self.depth_m, *self.range_m, *(self.u_px or ()), *(self.v_px or ()))
        if not all(math.isfinite(number) and abs(number) < 1e6 for number in numbers):
            raise ValueError("expected finite numbers below 1e6")
        if not 0 < self.depth_m[0] <= self.depth_m[1]:
            raise ValueError(f"depth_m: expected [first, last] above 0, got {list(self.depth_m)}")
        low, high = self.range_m[:3], self.range_m[3:]
        if not all(first < last for first, last in zip(low, high, strict=True)):
            raise ValueError(f"range_m: expected x0 y0 z0 below x1 y1 z1, got {list(self.range_m)}")
