"""Define the optional sections of a model's sidecar."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from specialize.calibration.lens import LENSES
from specialize.calibration.lint.expected import Side
from specialize.errors import closest

LARGEST_SIDE_PX = 1 << 16
OWN_LENS = "own"
"""In the place of a lens's name: each camera's own lens, outside of the graph."""
LARGEST_NUMBER = float(np.finfo(np.float32).max)
LARGEST_FRUSTUM = 1 << 24
"""Maximum number of points of one camera's frustum, and of cells that they may fall into."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Section of the file: immutable, rejects unknown keys."""


class CellsSpec(Part, frozen=True, kw_only=True):
    """A grid of cells.

    Attributes:
        cells: Number of cells along x, y and z.
        range_m: Box of the cells: x0 y0 z0 x1 y1 z1.
    """

    cells: tuple[int, int, int]
    range_m: tuple[float, float, float, float, float, float]

    def __post_init__(self) -> None:
        if min(self.cells) < 1 or math.prod(self.cells) > LARGEST_FRUSTUM:
            expected = f"three numbers from 1 whose product is at most {LARGEST_FRUSTUM}"
            raise ValueError(f"cells: expected {expected}, got {list(self.cells)}")
        if not all(math.isfinite(number) and abs(number) < 1e6 for number in self.range_m):
            raise ValueError("range_m: expected finite numbers below 1e6")
        if not all(first < last for first, last in zip(self.range_m[:3], self.range_m[3:], strict=True)):
            raise ValueError(f"range_m: expected x0 y0 z0 below x1 y1 z1, got {list(self.range_m)}")


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
        other_cells: Grids that the same points are added to as well.
    """

    shape: tuple[int, int, int]
    depth_m: tuple[float, float]
    cells: tuple[int, int, int]
    range_m: tuple[float, float, float, float, float, float]
    u_px: tuple[float, float] | None = None
    v_px: tuple[float, float] | None = None
    frame: Literal["lidar", "ego"] = "lidar"
    cut: Literal["toward_zero", "down"] = "toward_zero"
    other_cells: tuple[CellsSpec, ...] = ()

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


class LensSpec(Part, frozen=True, kw_only=True):
    """The lens that a model's graph projects through; without this section it projects by matrices.

    Attributes:
        model: Name of the lens's model; cameras without a lens are taken for it where it has them as a special case.
            `own` for a model that is given projected points: each camera's own lens.
        domain: Where the graph's own mask lets a lens see: up to its limiting `angle`, or wherever the `formula` has a
            depth above the least one, whether light comes from there or not.
        pixel_centre: Where the graph counts the centre of a pixel: at 0 or 0.5 of it.
    """

    model: str
    domain: Literal["angle", "formula"] = "angle"
    pixel_centre: float = 0.0

    def __post_init__(self) -> None:
        if self.model not in (OWN_LENS, *LENSES):
            known = closest(self.model, (OWN_LENS, *LENSES))
            raise ValueError(f"model: expected a known lens, got {self.model!r}; {known}")
        if self.model == OWN_LENS and self.domain != "angle":
            raise ValueError(f"domain: expected angle for {OWN_LENS}, which has no formula in the graph")


class ImagePrep(Part, frozen=True, kw_only=True):
    """How a raw image becomes the network's image: `network = scale * raw - crop`, then padding to `size_px`.

    Attributes:
        size_px: Width and height of the network's input, padding included.
        scale: Factor applied to the raw image.
        crop_px: Columns and rows cut off at the left and top, in scaled pixels.
        raw_size_px: Width and height of the raw images that scale and crop are for; None if any size will do.
    """

    size_px: tuple[int, int]
    scale: float = 1.0
    crop_px: tuple[float, float] = (0.0, 0.0)
    raw_size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, size in (("size_px", self.size_px), ("raw_size_px", self.raw_size_px)):
            if size is not None and not all(0 < side <= LARGEST_SIDE_PX for side in size):
                expected = f"[width, height] from 1 to {LARGEST_SIDE_PX}"
                raise ValueError(f"{name}: expected {expected}, got {list(size)}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale: expected a number above 0, got {self.scale}")
        if not all(map(math.isfinite, self.crop_px)):
            raise ValueError(f"crop_px: expected two finite numbers, got {list(self.crop_px)}")

    def network_from_raw(self) -> np.ndarray:
        """Return the (4, 4) float64 matrix that takes raw to network pixels (homogeneous, last axis kept)."""
        matrix = np.diag([self.scale, self.scale, 1.0, 1.0])
        matrix[0, 2], matrix[1, 2] = -self.crop_px[0], -self.crop_px[1]
        return matrix


class PointsSpec(Part, frozen=True, kw_only=True):
    """The frame of the model's points; z points up.

    Attributes:
        x: Where the x axis points, seen from the driver: `forward` (then y is left), `right` (y is forward), ...
        origin: What the points are measured from: the `lidar`, or the vehicle's frame on the ground, `ego`.
        height_m: Least and greatest height of the origin above the ground.
    """

    x: Side
    origin: Literal["lidar", "ego"] = "lidar"
    height_m: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.height_m is None:
            return
        if not (all(map(math.isfinite, self.height_m)) and self.height_m[0] <= self.height_m[1]):
            raise ValueError(f"height_m: expected [least, greatest] in metres, got {list(self.height_m)}")


class InputRule(Part, frozen=True, kw_only=True):
    """How verification makes an input: normal noise times `scale`, or one of `values` in turn, frame by frame."""

    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = {"scale": self.scale, "offset": self.offset, "low": self.low, "high": self.high}
        numbers |= {f"values[{index}]": value for index, value in enumerate(self.values)}
        for key, number in numbers.items():
            if number is not None and not abs(number) <= LARGEST_NUMBER:
                raise ValueError(f"{key}: expected a finite number of float32, got {number}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low: expected at most `high`, {self.high}, got {self.low}")
