"""What a model expects of a calibration, as far as it says so: a lint compares the profile with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["forward", "right", "backward", "left"]

# Heading of the vehicle's front in a frame whose x axis points to a side, degrees counter-clockwise from x.
FRONT_DEG: dict[Side, float] = {"forward": 0.0, "right": 90.0, "backward": 180.0, "left": -90.0}


@dataclass(frozen=True, slots=True)
class ExpectedImage:
    """How one camera's raw image becomes the network's: `network = scale * raw - crop`, padded to `size_px`.

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
    """The frame of the points: where x points, what the origin is, how high that is above the ground in m."""

    x: Side
    origin: Literal["lidar", "ego"] = "lidar"
    height_m: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model expects of a profile; what is empty or None is not checked.

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
        """Return the image preparation of one camera; None where nothing is known of it."""
        if self.images:
            return self.images[camera] if camera < len(self.images) else None
        return self.image


ANYTHING = Expected()
"""No model is known, so a profile is only compared with itself."""
