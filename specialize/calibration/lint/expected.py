"""Define what a model expects of a calibration, as far as it is stated, for the lint to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["forward", "right", "backward", "left"]

# Heading of the vehicle's front in a frame whose x axis points to a side, degrees counter-clockwise from x.
FRONT_DEG: dict[Side, float] = {"forward": 0.0, "right": 90.0, "backward": 180.0, "left": -90.0}


@dataclass(frozen=True, slots=True)
class ExpectedImage:
    """Preparation of one camera's image for the network: `network = scale * raw - crop`, padded to `size_px`.

    Attributes:
        size_px: Width and height of the network's image.
        scale: Factor applied to the raw image.
        crop_px: Columns and rows cut off at the left and top, in scaled pixels.
        raw_size_px: Width and height of the raw image that this is for; None if it is not stated.
    """

    size_px: tuple[int, int]
    scale: float = 1.0
    crop_px: tuple[float, float] = (0.0, 0.0)
    raw_size_px: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ExpectedPoints:
    """Frame of the points: direction of x, origin, and the origin's height above the ground in m."""

    x: Side
    origin: Literal["lidar", "ego"] = "lidar"
    height_m: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model expects of a profile. Empty or None fields are not checked.

    Attributes:
        cameras: Names in the order of training.
        image: Image preparation of every camera.
        images: One entry per camera, in order, where they differ.
        points: The frame of the points.
        lens: The model of the lens that the graph projects through; empty if it projects by matrices.
    """

    cameras: tuple[str, ...] = ()
    image: ExpectedImage | None = None
    images: tuple[ExpectedImage, ...] = ()
    points: ExpectedPoints | None = None
    lens: str | None = None

    def image_of(self, camera: int) -> ExpectedImage | None:
        """Return the image preparation of one camera, or None if it is unknown."""
        if self.images:
            return self.images[camera] if camera < len(self.images) else None
        return self.image


ANYTHING = Expected()
"""Expectations if the model is unknown: the profile is only compared with itself."""
