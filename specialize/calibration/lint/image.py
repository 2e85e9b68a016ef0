"""Lint raw images against the model's image preparation: check that their sizes belong together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from specialize.calibration.camera import Camera
from specialize.calibration.lint.expected import Expected, ExpectedImage
from specialize.calibration.lint.findings import Finding
from specialize.calibration.profile import CalibrationProfile

IMAGE_RULES = {
    "raw-size": "The raw image does not have the size that the model's image preparation expects",
    "image-overflow": "The scaled raw image is larger than the network's image",
    "image-underfill": "The scaled raw image fills less than half of the network's image",
    "image-edges": (
        "The prepared image does not end where any combination of resize, crop and padding would end it"
    ),
}

# Image libraries round scaled sizes up or down.
ROUNDING_PX = 2.0
FILLED = 0.6
PADDED_PX = 32
"""Images are padded to a multiple of this, so by less than this, and only where they are not cropped."""


def check_images(profile: CalibrationProfile, expected: Expected) -> Iterator[Finding]:
    """Yield mismatches between the profile's images and the model's image preparation."""
    for index, camera in enumerate(profile.cameras):
        image = expected.image_of(index)
        if image is None:
            continue
        size = (camera.width_px, camera.height_px)
        if image.raw_size_px is not None and size != image.raw_size_px:
            yield _raw_size(camera, image.raw_size_px)
        else:
            yield from _scaled(camera, image)


def _raw_size(camera: Camera, wanted: tuple[int, int]) -> Finding:
    """Return the finding about a raw image whose size the model's image preparation does not expect."""
    width, height = camera.width_px, camera.height_px
    message = (
        f"the raw image is {width} x {height}; the model's image preparation expects {wanted[0]} x "
        f"{wanted[1]}"
    )
    if (height, width) == wanted:
        message += ": width and height are swapped"
        mend = f"write size_px: [{wanted[0]}, {wanted[1]}]"
    else:
        mend = (
            "write your own sidecar with this camera's scale and raw_size_px (`images:` if cameras differ), or "
            f"resize the images to {wanted[0]} x {wanted[1]} and scale the intrinsic accordingly"
        )
    return Finding("raw-size", "error", camera.name, message, mend)


def _scaled(camera: Camera, image: ExpectedImage) -> Iterator[Finding]:
    """Compare the scaled image with the network's: padding only adds pixels, cropping cuts on both sides."""
    raw = (camera.width_px, camera.height_px)
    scaled = [image.scale * size for size in raw]
    left_over = [
        s - crop - size for s, crop, size in zip(scaled, image.crop_px, image.size_px, strict=True)
    ]  # beyond the right and the bottom border, px
    network = f"{image.size_px[0]} x {image.size_px[1]}"
    shown = f"the raw image scaled by {image.scale:g} is {scaled[0]:.0f} x {scaled[1]:.0f}"
    fits = min(size / one for size, one in zip(image.size_px, raw, strict=True))
    mend = f"correct `scale` in the sidecar ({fits:.4g} fits the whole image), or state `crop_px`"
    cut = [over > crop + ROUNDING_PX for over, crop in zip(left_over, image.crop_px, strict=True)]
    if any(cut):
        lost = " and ".join(
            f"{100 * over / size:.0f} % of its {what}"
            for over, size, what, is_cut in zip(left_over, scaled, ("columns", "rows"), cut, strict=True)
            if is_cut
        )
        message = f"{shown}, but the network's image is {network}: {lost} are lost"
        yield Finding("image-overflow", "error", camera.name, message, mend)
    elif all(
        (s - crop) / size < FILLED for s, crop, size in zip(scaled, image.crop_px, image.size_px, strict=True)
    ):
        message = f"{shown}, so most of the network's {network} image is padding"
        yield Finding("image-underfill", "error", camera.name, message, mend)
    elif image.raw_size_px is not None:
        yield from _edges(camera, image, left_over)


def _edges(camera: Camera, image: ExpectedImage, left_over: Sequence[float]) -> Iterator[Finding]:
    """Require that the image ends with the raw one, is cropped equally on both sides, or is whole and padded."""
    told = []
    letterbox = min(map(abs, left_over)) <= ROUNDING_PX  # one side fits exactly
    parts = zip(("columns", "rows"), left_over, image.crop_px, image.size_px, strict=True)
    for what, over, crop, size in parts:
        most = math.inf if letterbox else min(PADDED_PX, size & -size)  # the power of two that divides it
        padded = crop <= ROUNDING_PX and -most < over < 0
        if padded or min(abs(over), abs(over - crop)) <= ROUNDING_PX:
            continue
        sides = "left" if what == "columns" else "top", "right" if what == "columns" else "bottom"
        end = (
            f"{over:.0f} {what} are cut at the {sides[1]}" if over > 0 else f"{-over:.0f} {what} are missing"
        )
        told.append(f"{crop:.0f} {what} are cut at the {sides[0]}, and {end}")
    if told:
        width, height = camera.width_px, camera.height_px
        network = f"{image.size_px[0]} x {image.size_px[1]}"
        message = f"{width} x {height} times {image.scale:g} does not become {network}: {'; '.join(told)}"
        mend = (
            "correct `scale` or `crop_px` in the sidecar: an image must end with the raw one, be cropped equally on "
            f"both sides, or be whole and padded to a multiple of at most {PADDED_PX}"
        )
        yield Finding("image-edges", "error", camera.name, message, mend)
