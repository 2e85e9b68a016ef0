"""Lint lenses: whether the model accepts their images, and how much undistorted images leave empty."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.camera import Camera
from specialize.calibration.lens import Lens, lens_of
from specialize.calibration.lens.kinds import COEFFICIENTS, matrix_parameters
from specialize.calibration.lint.expected import Expected
from specialize.calibration.lint.findings import Finding
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import View

LENS_RULES = {
    "lens-not-in-model": "The camera delivers raw images of a lens, but the model projects by matrices",
    "lens-no-content": "Part of the undistorted image is outside of the raw image",
    "wide-pinhole": "A pinhole camera is wider than 120 degrees",
}

WIDEST_PINHOLE_DEG = 120.0
LEAST_EMPTY = 0.05
RECORDED = {**COEFFICIENTS, "radial": ("k1", "k2", "k3")}
"""Coefficients of the distortions that a profile records next to an intrinsic; "fov" is not a supported lens."""
SAMPLES = 33
"""Columns, and rows, of an undistorted image that are sampled."""


def check_lenses(
    profile: CalibrationProfile, views: tuple[View, ...], expected: Expected
) -> Iterator[Finding]:
    """Yield mismatches between the profile's lenses and the images that the model expects."""
    for camera, view in zip(profile.cameras, views, strict=True):
        if camera.is_raw and camera.lens is not None and expected.lens == "":
            message = (
                f"its images are those of a {camera.lens.MODEL} lens, but the model projects by matrices"
            )
            mend = (
                "add the `intrinsic:` of the undistorted images next to `lens`, use a model whose sidecar has "
                "`lens:`, or let lenses take the place of matrices with --bake-lenses, which is another function"
            )
            yield Finding("lens-not-in-model", "error", camera.name, message, mend)
        hfov_deg = math.degrees(view.hfov_rad)
        if raw_lens_of(camera) is None and hfov_deg > WIDEST_PINHOLE_DEG:
            message = (
                f"the pinhole's horizontal field of view is {hfov_deg:.0f} degrees; real lenses this "
                "wide are not pinholes"
            )
            mend = (
                "give the camera's `lens`; if images are undistorted for the model, also give their intrinsic"
            )
            yield Finding("wide-pinhole", "warning", camera.name, message, mend)
        yield from _empty(camera)


def raw_lens_of(camera: Camera) -> Lens | None:
    """Return the lens of a camera's raw image, complete or as a recorded distortion, or None if unknown."""
    if camera.lens is not None or camera.intrinsic is None or camera.distortion is None:
        return camera.lens
    names = RECORDED.get(camera.distortion.model)
    if names is None or not any(camera.distortion.coefficients):
        return None
    focal = matrix_parameters(camera.intrinsic)
    model = "kannala_brandt" if camera.distortion.model == "equidistant" else "brown_conrady"
    return lens_of(model, focal | dict(zip(names, camera.distortion.coefficients, strict=True)))


def with_content(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels (..., 2) of the images given to the model have content in the raw image.

    Returns all of them for raw images, and for cameras whose lens is unknown.
    """
    lens = raw_lens_of(camera)
    if camera.is_raw or lens is None or camera.intrinsic is None:
        return np.ones(pixels.shape[:-1], bool)
    whole = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)
    raw, valid = lens.project(whole @ np.linalg.inv(camera.intrinsic).T)
    size = camera.lens_size_px or (camera.width_px, camera.height_px)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = valid & ((raw > -0.5) & (raw < np.array(size) - 0.5)).all(axis=-1)
    return found


def _empty(camera: Camera) -> Iterator[Finding]:
    """Yield a finding about an undistorted image with pixels outside of the raw image."""
    if camera.lens is None or camera.is_raw:
        return
    across, down = np.linspace(0, camera.width_px, SAMPLES), np.linspace(0, camera.height_px, SAMPLES)
    pixels = np.stack(np.meshgrid(across, down), axis=-1)
    share = 1.0 - float(with_content(camera, pixels).mean())
    if share > LEAST_EMPTY:
        message = f"{100 * share:.0f} % of the undistorted image are outside of the raw image and stay black"
        mend = (
            "the model sees nothing there: choose an intrinsic for the undistorted images that "
            "shows less of it (alpha, balance)"
        )
        yield Finding("lens-no-content", "warning", camera.name, message, mend)
