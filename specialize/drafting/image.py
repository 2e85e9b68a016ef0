"""Infer the network's image: its size from the graph, scale and crop from the vehicle's raw images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specialize.artifact.manifest import Tensor
from specialize.calibration.profile import CalibrationProfile
from specialize.drafting.points import Floats, Typed
from specialize.model.parts import ImagePrep

_MOST_PADDING = 32
_COLOURS = 3


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """What is known about the preparation of images.

    Attributes:
        prep: The most likely preparation.
        size_sure: Whether the size is in the graph.
        scale_sure: Whether scale and crop follow from the size and the given raw images.
        size_from: Source of the size.
        scale_from: Source of scale and crop.
    """

    prep: ImagePrep
    size_sure: bool
    scale_sure: bool
    size_from: str
    scale_from: str


def draft_image(
    inputs: Sequence[Tensor],
    size: tuple[int, int] | None,
    lifted: Sequence[Typed],
    profile: CalibrationProfile | None,
    given: bool,
) -> ImageDraft:
    """Infer the preparation of images.

    Args:
        inputs: Inputs that are not calibration.
        size: Size that the graph divides pixels by, or compares them with.
        lifted: Frustums that the graph transforms to the vehicle.
        profile: The vehicle whose raw images are used.
        given: Whether it is the user's own vehicle, not a packaged one.
    """
    images = [tensor for tensor in inputs if len(tensor.shape) >= 4 and tensor.shape[-3] == _COLOURS]
    frustums = [found for one in lifted if one.source == "frustum" and (found := _frustum_size(one.points))]
    maps = {(tensor.shape[-1], tensor.shape[-2]): tensor.name for tensor in inputs if len(tensor.shape) >= 4}
    if size is not None and size in maps and not images:
        chosen, sure = size, False
        text = f"the graph's pixels end here, but so does the input {maps[size]}: if they are pixels of a feature map,"
        text += " give the image here and `{kind: ..., stride: ...}` to the calibration inputs"
    elif size is not None:
        chosen, sure, text = (
            size,
            True,
            f"the graph divides pixels by {size[0]} and {size[1]}, or compares them",
        )
    elif frustums:
        chosen, sure, text = frustums[0], True, "the pixels of the frustum that the graph lifts fill it"
    elif images:
        chosen, sure = (images[0].shape[-1], images[0].shape[-2]), True
        text = f"size of the input {images[0].name}"
    else:
        largest = max(inputs, key=lambda each: (len(each.shape) >= 4, math.prod(each.shape)), default=None)
        shape = largest.shape if largest is not None and len(largest.shape) >= 2 else (1, 1)
        chosen, sure = (max(shape[-1], 1), max(shape[-2], 1)), False
        name = largest.name if largest is not None else "none"
        text = f"not in the graph; this is the size of its largest input, {name}"
    return _scaled(chosen, sure, text, profile, given)


def _scaled(
    size: tuple[int, int], sure: bool, text: str, profile: CalibrationProfile | None, given: bool
) -> ImageDraft:
    """Return the preparation that fills the width of an image, and crops the top if the image is too tall."""
    if profile is None:
        return ImageDraft(ImagePrep(size_px=size), sure, False, text, "no vehicle is known")
    width, height = profile.cameras[0].width_px, profile.cameras[0].height_px
    scale = round(size[0] / width, 6)
    tall = scale * height
    crop = max(0.0, float(round(tall)) - size[1])
    padding = size[1] - tall
    alike = len({(camera.width_px, camera.height_px) for camera in profile.cameras}) == 1
    unique = sure and given and alike and -0.5 <= padding < _MOST_PADDING
    why = f"{scale:g} makes {size[0]} x {tall:g} of {width} x {height} ({profile.vehicle})"
    why += (
        f", the lower {size[1]} rows of it"
        if crop
        else f", padded to {size[1]} rows"
        if padding >= 0.5
        else ""
    )
    raw = (width, height) if alike else None
    prep = ImagePrep(size_px=size, scale=scale, crop_px=(0.0, crop), raw_size_px=raw)
    return ImageDraft(prep, sure, unique, text, why if unique else f"{why}; scale and crop are in no graph")


def _frustum_size(points: Floats) -> tuple[int, int] | None:
    """Return the size of the image that the pixels of a frustum (P, 3) fill, or None if they are not evenly spaced."""
    sizes = [_filled(points[:, axis] / points[:, 2]) for axis in (0, 1)]
    return (sizes[0], sizes[1]) if all(sizes) else None


def _filled(pixels: Floats) -> int:
    """Return the width of an image that columns of pixels fill: first to last pixel, cell by cell, or edge to edge."""
    ordered = np.sort(pixels)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0.5)
    line = np.array([part.mean() for part in np.split(ordered, starts[1:])])
    if len(line) < 2:
        return 0
    step, last = float(line[-1] - line[0]) / (len(line) - 1), float(line[-1])
    by_pixels, by_cells, by_centres = last + 1, last + step, last + step / 2
    likely = (by_pixels, by_cells, last) if abs(line[0]) < 0.1 else (by_centres, by_pixels)
    whole = [round(each) for each in likely if abs(each - round(each)) < 0.05]
    return next((each for each in whole if each % 8 == 0), whole[0] if whole else 0)
