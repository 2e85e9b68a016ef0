"""Lint a calibration: check it for common mistakes, and say how to fix each one.

A profile that loads is consistent; the lint checks whether it can belong to a real vehicle. Every rule is based on
a mistake seen in practice. An error means that no model can work with the profile; a warning needs a person's
judgement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from specialize.calibration.lint.causes import with_causes
from specialize.calibration.lint.expected import ANYTHING, Expected
from specialize.calibration.lint.findings import Finding
from specialize.calibration.lint.frame import FRAME_RULES, check_frame
from specialize.calibration.lint.image import IMAGE_RULES, check_images
from specialize.calibration.lint.lens import LENS_RULES, check_lenses
from specialize.calibration.lint.pose import POSE_RULES, check_orientation
from specialize.calibration.lint.quaternion import QUATERNION_RULES, check_quaternions
from specialize.calibration.lint.rig import RIG_RULES, check_rig
from specialize.calibration.lint.sides import SIDE_RULES, check_sides
from specialize.calibration.off import cameras_off, is_off
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import View, views_of

CENTRE_LIMIT_M = 10.0

RULES = {
    "intrinsic-resolution": "The intrinsic belongs to an image of another size",
    "principal-point": "The principal point is far from the image's centre",
    "pixel-aspect": "The focal lengths differ by more than 5 %",
    "field-of-view": "The field of view is implausible",
    "projection-scale": "The depth row of lidar2img is not in metres",
    "centre-far": "The camera's centre is metres away from the lidar",
    "centre-zero": "The camera's centre is exactly the lidar's",
    "below-ground": "The camera's centre is below the ground",
    "lens-distortion": "The raw image is distorted",
    "camera-off": "The camera is off, and sees nothing",
    **QUATERNION_RULES,
    **POSE_RULES,
    **RIG_RULES,
    **SIDE_RULES,
    **FRAME_RULES,
    **IMAGE_RULES,
    **LENS_RULES,
}


def lint(profile: CalibrationProfile, expected: Expected = ANYTHING) -> tuple[Finding, ...]:
    """Return all findings about a profile, in the order of the cameras, those about the rig last.

    Args:
        profile: The calibration.
        expected: What a model expects of it, as far as it is stated.
    """
    everyone = views_of(profile)
    views = tuple(view for view in everyone if not is_off(view.camera))
    found = list(_off(profile))
    for view in views:
        for check in _CHECKS:
            found.extend(check(view, profile))
    misread = tuple(check_quaternions(profile))
    found.extend(misread or check_orientation(views))
    found.extend(check_rig(profile, views, expected.cameras))
    found.extend(check_sides(profile, views, expected.points))
    found.extend(check_frame(profile, views, expected.points))
    found.extend(check_images(profile, expected))
    found.extend(check_lenses(profile, everyone, expected))
    return with_causes(found)


def _off(profile: CalibrationProfile) -> Iterator[Finding]:
    """Say which cameras are off; nothing else is wrong about their poses."""
    for name in cameras_off(profile):
        message = "the camera is off: it is calibrated to see nothing, so no query attends to it"
        yield Finding("camera-off", "warning", name, message, "give its own pose once it works")


def _lens(view: View, profile: CalibrationProfile) -> Iterator[Finding]:
    """Check the intrinsic against the image size."""
    yield from _principal_point(view)
    name, k = view.camera.name, view.intrinsic
    if abs(k[0, 0] / k[1, 1] - 1) > 0.05:
        message = f"fx and fy differ by {100 * abs(k[0, 0] / k[1, 1] - 1):.0f} %"
        mend = "if the image was resized, scale each axis by its own factor"
        yield Finding("pixel-aspect", "warning", name, message, mend)
    hfov_deg = math.degrees(view.hfov_rad)
    if not 15 <= hfov_deg <= (360 if view.camera.is_raw else 150):
        message = f"the horizontal field of view is {hfov_deg:.1f} degrees"
        mend = (
            "check that the focal length and size_px refer to the same image size; undistort "
            "wider lenses first"
        )
        yield Finding("field-of-view", "warning", name, message, mend)


def _principal_point(view: View) -> Iterator[Finding]:
    """Check the position of the principal point: if both axes are off by one factor, it is for another resolution."""
    camera = view.camera
    size = np.array([camera.width_px, camera.height_px])
    ratio = view.intrinsic[:2, 2] / (size / 2)
    scale = float(ratio.mean())
    point = f"the principal point ({view.intrinsic[0, 2]:.0f}, {view.intrinsic[1, 2]:.0f})"
    image = f"{size[0]} x {size[1]}"
    if scale > 0 and abs(scale - 1) > 0.25 and abs(ratio[0] / ratio[1] - 1) < 0.15:
        guess = " x ".join(str(round(value)) for value in size * scale)
        message = f"{point} is the centre of a {guess} image, not of {image}"
        mend = (
            f"scale the first two rows of the intrinsic by {1 / scale:.3g}, or state the size it "
            "was calibrated at"
        )
        yield Finding("intrinsic-resolution", "error", camera.name, message, mend)
    elif (np.abs(ratio - 1) >= 1).any():
        mend = "check crop offsets: cropping subtracts the offset from cx and cy"
        yield Finding("principal-point", "error", camera.name, f"{point} is outside the {image} image", mend)
    elif (np.abs(ratio - 1) > 0.6).any():
        mend = "expected if images are cropped on one side only; otherwise check crop offsets"
        yield Finding(
            "principal-point", "warning", camera.name, f"{point} is near the edge of the {image} image", mend
        )


def _scale(view: View, profile: CalibrationProfile) -> Iterator[Finding]:
    """Check that a bare lidar2img has depth in metres."""
    length = float(np.linalg.norm(view.camera.image_from_lidar[2, :3]))
    if abs(length - 1) > 1e-3:
        message = f"the third row of lidar2img has length {length:.4g}, so depth is not in metres"
        yield Finding(
            "projection-scale",
            "warning",
            view.camera.name,
            message,
            f"divide the first three rows by {length:.6g}",
        )


def _position(view: View, profile: CalibrationProfile) -> Iterator[Finding]:
    """Check that the camera is on the vehicle."""
    name, distance_m = view.camera.name, view.lidar_distance_m()
    if distance_m > CENTRE_LIMIT_M:
        message = f"the camera's centre is {distance_m:.4g} m from the lidar"
        millimetres = distance_m / 1000 < CENTRE_LIMIT_M and distance_m > 100
        mend = (
            "translations are in metres, these look like millimetres"
            if millimetres
            else "check the units and the direction of the extrinsic"
        )
        yield Finding("centre-far", "error", name, message, mend)
    elif distance_m < 1e-6:
        yield Finding(
            "centre-zero",
            "warning",
            name,
            "the camera's centre is exactly the lidar's",
            "add the translation of the extrinsic",
        )
    if profile.ego_from_lidar is not None and view.centre_m[2] < -0.2 and distance_m <= CENTRE_LIMIT_M:
        message = f"the camera's centre is {-view.centre_m[2]:.2f} m below the vehicle frame's ground"
        yield Finding(
            "below-ground",
            "warning",
            name,
            message,
            "check the sign of the translation and the direction of the extrinsic",
        )


def _distortion(view: View, profile: CalibrationProfile) -> Iterator[Finding]:
    """Report a lens model that the projection does not apply."""
    lens = view.camera.distortion
    if lens is not None and any(lens.coefficients):
        message = (
            f"the raw image is distorted ({lens.model}); the projection is that of the undistorted image"
        )
        yield Finding(
            "lens-distortion",
            "note",
            view.camera.name,
            message,
            "undistort images before the model, to this intrinsic",
        )


_CHECKS: tuple[Callable[[View, CalibrationProfile], Iterator[Finding]], ...] = (
    _lens,
    _scale,
    _position,
    _distortion,
)
