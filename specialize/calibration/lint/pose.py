"""Lint orientations: find the mistake that explains why cameras are not upright.

Two mistakes may explain a single camera; the one that explains more cameras of the rig is reported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from specialize.calibration.lint.findings import Finding, Severity
from specialize.calibration.pose import OPTICAL_FROM_BODY, Matrix
from specialize.calibration.view import View, upright

POSE_RULES = {
    "extrinsic-inverted": "The extrinsic is inverted, or its rotation is transposed",
    "camera-axes": "The camera's axes are not x right, y down, z forward",
    "camera-rolled": "The camera is not upright",
    "camera-pitch": "The optical axis is far from horizontal",
}

# Real cameras pitch up by at most 8 degrees, those with long lenses most.
UP_DEG = 10.0
# A camera that points up more steeply sees no ground.
SKY_DEG = 60.0

UPRIGHT = math.cos(math.radians(45))
# A mistake explains a camera only if correcting it makes the camera this upright.
STRAIGHT = math.cos(math.radians(20))

OPTICAL_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])

# Mistakes, most common first: rule, message, and how to fix it.
_BLUNDERS = {
    "inverted": (
        "extrinsic-inverted",
        "the camera is not upright as given, but is if the extrinsic is inverted",
        "lidar2cam maps lidar points to camera axes, sensor2ego maps camera axes to the vehicle: invert the given "
        "pose, rotation and translation together",
    ),
    "body": (
        "camera-axes",
        "the camera looks straight up as given, but forward if its axes are x forward, y left, z up",
        "multiply lidar2cam from the left by the rotation [0 -1 0; 0 0 -1; 1 0 0] from body to optical axes, or the "
        "rotation of sensor2ego from the right by its transpose",
    ),
    "opengl": (
        "camera-axes",
        "the camera is upside down: its y axis points up",
        "if its axes are x right, y up, z backward (OpenGL), negate rows 1 and 2 of the extrinsic",
    ),
}


def check_orientation(views: tuple[View, ...]) -> Iterator[Finding]:
    """Yield a finding for every camera that is not upright, or looks up."""
    for view in views:
        pitch_deg = math.degrees(view.pitch_rad)
        if upright(view.rotation) > UPRIGHT and pitch_deg > UP_DEG:
            message = f"the optical axis points {pitch_deg:.0f} degrees up"
            mend = "check the sign of the pitch; cameras on vehicles look level or down"
            yield Finding("camera-pitch", "warning", view.camera.name, message, mend)
    fallen = [view for view in views if upright(view.rotation) <= UPRIGHT]
    explained = {view.camera.name: _explanations(view) for view in fallen}
    popular = Counter(blunder for blunders in explained.values() for blunder in blunders)
    for view in fallen:
        blunders = explained[view.camera.name]
        if blunders:
            code, message, mend = _BLUNDERS[max(blunders, key=lambda blunder: popular[blunder])]
            yield Finding(code, "error", view.camera.name, message, mend)
        else:
            yield _unexplained(view)


def _explanations(view: View) -> list[str]:
    """Return the mistakes that would explain this camera, most common first."""
    in_lidar = view.camera.as_pinhole().camera_from_lidar[:3, :3]
    inverted = _stands(view.rotation.T) or _stands(in_lidar.T)
    candidates = {
        "inverted": inverted,
        "body": _stands(OPTICAL_FROM_BODY @ view.rotation),
        "opengl": _stands(OPTICAL_FROM_OPENGL @ view.rotation),
    }
    return [blunder for blunder, explains in candidates.items() if explains]


def _stands(rotation: Matrix) -> bool:
    """Return whether a camera with this rotation is upright; its optical axis is then level."""
    return upright(rotation) > STRAIGHT


def _unexplained(view: View) -> Finding:
    """Return the finding about a camera that is turned in some other way."""
    pitch_deg = math.degrees(view.pitch_rad)
    if abs(pitch_deg) > 45:
        message = f"the optical axis points {abs(pitch_deg):.0f} degrees {'up' if pitch_deg > 0 else 'down'}"
        mend = "check the rotation, unless the camera is mounted that way on purpose"
        severity: Severity = "error" if pitch_deg > SKY_DEG else "warning"
        return Finding("camera-pitch", severity, view.camera.name, message, mend)
    roll_deg = math.degrees(math.atan2(-view.rotation[0, 2], -view.rotation[1, 2]))
    mend = "if images are rotated before they reach the model, rotate the calibration with them"
    message = f"the camera is rolled by {abs(roll_deg):.0f} degrees"
    return Finding("camera-rolled", "warning", view.camera.name, message, mend)
