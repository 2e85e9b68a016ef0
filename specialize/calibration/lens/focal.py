"""Define lenses with focal lengths, skew and a principal point."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from specialize.calibration.lens.base import Floats, Lens


class Focal(Lens):
    """A lens whose plane image (a, b) becomes pixels by focal lengths, skew and centre."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("fx", "fy", "cx", "cy")
    IN_PIXELS: ClassVar[Mapping[str, int]] = MappingProxyType(
        dict.fromkeys(("fx", "fy", "cx", "cy", "skew"), 1)
    )

    def formula(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows."""
        p = self.parameters
        a, b = self.plane(x, y, z)
        return p["fx"] * a + p["skew"] * b + p["cx"], p["fy"] * b + p["cy"]

    def rays(self, u: Floats, v: Floats) -> Floats:
        """Return unit rays of pixels."""
        p = self.parameters
        b = (v - p["cy"]) / p["fy"]
        return self.unplane((u - p["cx"] - p["skew"] * b) / p["fx"], b)

    @abstractmethod
    def plane(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Return the place on the plane of focal length 1, distortion included."""

    @abstractmethod
    def unplane(self, a: Floats, b: Floats) -> Floats:
        """Return the unit rays of places on that plane."""


def unit(x: Floats, y: Floats, z: Floats) -> Floats:
    """Return unit vectors (..., 3)."""
    length = np.sqrt(x * x + y * y + z * z)
    return np.stack([x / length, y / length, z / length], axis=-1)
