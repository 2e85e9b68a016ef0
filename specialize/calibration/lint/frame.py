"""Lint the frame of the points: the direction of x, the height of the origin, and mirrored sides."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from specialize.calibration.lint.expected import FRONT_DEG, ExpectedPoints
from specialize.calibration.lint.findings import Finding
from specialize.calibration.pose import centre_m
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import View

FRAME_RULES = {
    "points-forward": "The points' x axis does not have the direction that the model expects",
    "points-origin": "The points do not have the origin that the model expects",
    "points-height": "The height of the points' origin above the ground differs from what the model expects",
    "lidar-underground": "The lidar is below the ground",
    "positions-mirrored": "Cameras are on the opposite side of the vehicle from the one they face",
}

FORWARD_TOLERANCE_DEG = 30.0
LOWEST_LIDAR_M = -0.3
ON_GROUND_M = 0.4
# The origin of the vehicle frame was mistaken for the lidar: far below it, not merely a lower mounting.
FAR_BELOW_M = 0.9
MIRRORED_M = 0.1
_SIDE_WORDS = ("left", "right", "side")


def front_heading_deg(profile: CalibrationProfile, views: tuple[View, ...]) -> float | None:
    """Return the heading of the vehicle's front in the points' frame, in degrees counter-clockwise from x.

    It follows from the vehicle's pose, or, without one, from the cameras whose names say that they face forward.
    Returns None if it is unknown.
    """
    if profile.ego_from_lidar is not None:
        x, y = (float(value) for value in profile.ego_from_lidar[0, :2])
        return math.degrees(math.atan2(y, x))
    ahead = [view.heading_rad for view in views if looks_ahead(view.camera.name)]
    if not ahead:
        return None
    return math.degrees(math.atan2(sum(map(math.sin, ahead)), sum(map(math.cos, ahead))))


def looks_ahead(name: str) -> bool:
    """Return whether a camera's name says that it faces forward."""
    words = name.lower()
    return "front" in words and not any(word in words for word in _SIDE_WORDS)


def check_frame(
    profile: CalibrationProfile, views: tuple[View, ...], points: ExpectedPoints | None
) -> Iterator[Finding]:
    """Yield findings about the frame of the points."""
    yield from _mirrored(views)
    pose = profile.ego_from_lidar
    if pose is not None and pose[2, 3] < LOWEST_LIDAR_M:
        message = f"the lidar is {-pose[2, 3]:.2f} m below the origin of the vehicle frame"
        mend = "check the sign of lidar2ego's z, and that it maps lidar points to the vehicle"
        yield Finding("lidar-underground", "error", "", message, mend)
    if points is None:
        return
    yield from _forward(profile, views, points)
    if pose is not None and pose[2, 3] >= LOWEST_LIDAR_M:
        yield from _height(float(pose[2, 3]), points)
    elif pose is None and points.height_m is not None:
        yield from _camera_heights(views, points.height_m)


def _forward(
    profile: CalibrationProfile, views: tuple[View, ...], points: ExpectedPoints
) -> Iterator[Finding]:
    """Compare the heading of the front with the one that the model expects."""
    heading, wanted = front_heading_deg(profile, views), FRONT_DEG[points.x]
    if heading is None or abs(math.remainder(heading - wanted, 360)) <= FORWARD_TOLERANCE_DEG:
        return
    nearest = min(FRONT_DEG, key=lambda side: abs(math.remainder(heading - FRONT_DEG[side], 360)))
    message = (
        f"the front is at {math.remainder(heading, 360):+.0f} degrees from the points' x axis, so x points "
        f"{nearest}; the model expects x to point {points.x}"
    )
    mend = (
        f"rotate the points' frame (lidar2ego and every lidar2cam or lidar2img) so that x points {points.x}"
    )
    yield Finding("points-forward", "error", "", message, mend)


def _height(height_m: float, points: ExpectedPoints) -> Iterator[Finding]:
    """Compare the origin's height above the ground with the one that the model was trained with."""
    if points.origin == "ego":
        if height_m > ON_GROUND_M:
            message = (
                f"the points are in a lidar frame, {height_m:.2f} m above the ground; the model "
                "expects the vehicle frame"
            )
            mend = (
                "use points in the vehicle frame: set lidar2ego to the identity and give every "
                "camera's pose relative to the vehicle"
            )
            yield Finding("points-origin", "error", "", message, mend)
        return
    if points.height_m is None or points.height_m[0] <= height_m <= points.height_m[1]:
        return
    low, high = points.height_m
    severity = "error" if height_m < low - FAR_BELOW_M else "warning"
    message = (
        f"the points' origin is {height_m:.2f} m above the ground; the model expects {low:g} to {high:g} m"
    )
    mend = "check lidar2ego's z; otherwise the model sees every height shifted by the difference"
    yield Finding("points-height", severity, "", message, mend)  # type: ignore[arg-type]


def _camera_heights(views: tuple[View, ...], height_m: tuple[float, float]) -> Iterator[Finding]:
    """Without a vehicle frame, check that the cameras are above the ground for the origin's height in the model."""
    highest_m = max(float(centre_m(view.camera_from_level)[2]) for view in views) + height_m[1]
    if highest_m < 0:
        message = (
            f"even if the points' origin is {height_m[1]:g} m above the ground, the most that the model expects, "
            f"every camera is below the ground, by {-highest_m:.2f} m or more"
        )
        mend = "check the sign of the translations, and that z points up in the points' frame"
        yield Finding("points-height", "error", "", message, mend)


def _mirrored(views: tuple[View, ...]) -> Iterator[Finding]:
    """Compare the side on which cameras are mounted with the side that they face; cameras face outwards."""
    centres = np.array([view.centre_m[:2] for view in views])
    looks = np.array([[math.cos(view.heading_rad), math.sin(view.heading_rad)] for view in views])
    for axis, name in enumerate("xy"):
        low, high = looks[:, axis] < -0.5, looks[:, axis] > 0.5
        if not (low.any() and high.any()):
            continue
        apart_m = float(centres[high, axis].mean() - centres[low, axis].mean())
        if apart_m < -MIRRORED_M:
            message = (
                f"cameras facing +{name} are mounted {-apart_m:.2f} m further towards -{name} than cameras facing "
                f"-{name}: positions are mirrored"
            )
            mend = f"check the sign of {name} in the translations"
            yield Finding("positions-mirrored", "error", "", message, mend)
