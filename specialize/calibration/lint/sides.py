"""Lint names against headings: find cameras that do not look where their names say, and swapped pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from specialize.calibration.lint.expected import FRONT_DEG, ExpectedPoints
from specialize.calibration.lint.findings import Finding
from specialize.calibration.lint.frame import front_heading_deg
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.view import View

SIDE_RULES = {
    "camera-swapped": "Each of two cameras looks where the other one's name says",
    "name-heading": "A camera does not look where its name says",
}

# Sides that a name may state, as intervals of headings in degrees from the front; left is positive.
SIDES = {"left": (5, 175), "right": (-175, -5), "front": (-100, 100), "back": (80, 280), "rear": (80, 280)}


def check_sides(
    profile: CalibrationProfile, views: tuple[View, ...], points: ExpectedPoints | None
) -> Iterator[Finding]:
    """Yield findings about cameras that do not look where their names say."""
    front_deg = _front_of_level(profile, views, points)
    if front_deg is None:
        return
    headings = {
        view.camera.name: math.remainder(math.degrees(view.heading_rad) - front_deg, 360) for view in views
    }
    wrong = [name for name, heading in headings.items() if contradicted(name, heading)]
    swapped = [
        (first, second)
        for first, second in combinations(wrong, 2)
        if not contradicted(first, headings[second]) and not contradicted(second, headings[first])
    ]
    taken: set[str] = set()
    for first, second in swapped:
        if taken & {first, second}:
            continue
        taken |= {first, second}
        message = (
            f"{first} looks {headings[first]:+.0f} degrees and {second} {headings[second]:+.0f} degrees (left is "
            "positive), each where the other one's name says"
        )
        mend = (
            f"swap the matrices of {first} and {second}, or their names; if all sides are wrong, y is "
            "mirrored"
        )
        yield Finding("camera-swapped", "error", first, message, mend)
    for name in wrong:
        if name not in taken:
            side = contradicted(name, headings[name])
            message = f"its name says {side}, but it looks {headings[name]:+.0f} degrees (left is positive)"
            mend = "check for swapped cameras, and that the vehicle frame is x forward, y left, z up"
            yield Finding("name-heading", "warning", name, message, mend)


def contradicted(name: str, heading_deg: float) -> str:
    """Return the side that a name states and a heading contradicts, or an empty string."""
    words = name.lower()
    for side, (low, high) in SIDES.items():
        if side in words and not (low <= heading_deg <= high or low <= heading_deg + 360 <= high):
            return side
    return ""


def _front_of_level(
    profile: CalibrationProfile, views: tuple[View, ...], points: ExpectedPoints | None
) -> float | None:
    """Return the heading of the front in the frame of the views' headings, in degrees, or None if it is unknown."""
    if profile.ego_from_lidar is not None:
        return 0.0
    return FRONT_DEG[points.x] if points is not None else front_heading_deg(profile, views)
