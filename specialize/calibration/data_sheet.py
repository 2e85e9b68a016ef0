"""Write a profile from a data sheet: cameras by field of view and mounting, as a commented file.

    CAM_FRONT=1920x1080,fov_deg=65,x_m=1.8,z_m=1.4,pitch_deg=2
    CAM_LEFT=1920x1080,focal_px=1100,x_m=1.6,y_m=0.5,z_m=1.5,yaw_deg=55

Lenses are assumed ideal: square pixels, the principal point in the middle. That is good enough for planning and for
choosing mounts; on the road, use measured lenses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specialize.calibration.dump import word
from specialize.calibration.mounting import BODY, ORDERS
from specialize.calibration.profile import SCHEMA
from specialize.errors import UsageError, closest

PLACE = ("x_m", "y_m", "z_m")
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")
LENS = ("fov_deg", "focal_px")

LIDAR_KEYS = (*PLACE, *ANGLES)
CAMERA_KEYS = (*LENS, *LIDAR_KEYS)
CAMERA_SYNTAX = "NAME=WIDTHxHEIGHT,fov_deg=DEG,x_m=M,..."

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """A camera of a data sheet.

    Attributes:
        name: Its name.
        size_px: Width and height of its image.
        given: `fov_deg`, across the image, or `focal_px`; metres and degrees in the vehicle by key, 0 without.
    """

    name: str
    size_px: tuple[int, int]
    given: Mapping[str, float]

    @property
    def focal_px(self) -> float:
        """The focal length in pixels."""
        if "focal_px" in self.given:
            return self.given["focal_px"]
        return self.size_px[0] / 2 / math.tan(math.radians(self.given["fov_deg"]) / 2)

    @property
    def fov_deg(self) -> float:
        """The field of view across the image, in degrees."""
        return math.degrees(2 * math.atan(self.size_px[0] / 2 / self.focal_px))


def camera_from_text(text: str) -> Mounted:
    """Parse a camera from `NAME=WIDTHxHEIGHT,key=value,...`.

    Raises:
        UsageError: A part is missing, unknown or not a number, or there is not exactly one lens key.
    """
    option = f"--camera {text!r}"
    name, _, rest = text.partition("=")
    size, *parts = rest.split(",")
    found = _SIZE.fullmatch(size.strip())
    if not name.strip() or found is None:
        raise UsageError(
            option, CAMERA_SYNTAX, f"{name.strip() or 'no name'}, then {size.strip() or 'no size'}"
        )
    given = _numbers(option, parts, CAMERA_KEYS)
    lenses = [key for key in LENS if key in given]
    if len(lenses) != 1:
        raise UsageError(option, f"one of {' and '.join(LENS)}", " and ".join(lenses) or "neither")
    if not 0 < given[lenses[0]] < (180 if lenses == ["fov_deg"] else math.inf):
        hint = "a pinhole camera sees less than 180 degrees" if lenses == ["fov_deg"] else ""
        expected = "an angle between 0 and 180" if lenses == ["fov_deg"] else "a length above 0"
        raise UsageError(f"{option}: {lenses[0]}", expected, f"{given[lenses[0]]:g}", hint)
    return Mounted(name.strip(), (int(found[1]), int(found[2])), given)


def lidar_from_text(text: str) -> dict[str, float]:
    """Parse the lidar's position (m) and angles (degrees) on the vehicle from `key=value,...`.

    Raises:
        UsageError: A part is unknown or not a number.
    """
    return _numbers(f"--lidar {text!r}", text.split(","), LIDAR_KEYS)


def data_sheet_text(vehicle: str, cameras: Sequence[Mounted], lidar: Mapping[str, float]) -> str:
    """Return the profile as commented YAML, for a person to edit.

    Args:
        vehicle: Name of the vehicle.
        cameras: In the order that the model expects.
        lidar: Metres and degrees of the lidar in the vehicle.
    """
    lines = [
        "# The vehicle's frame: x forward, y left, z up; metres and degrees.",
        "# Angles are right-handed: yaw turns left, pitch turns down, roll lowers the right side.",
        "# Lenses are ideal: replace them by measured intrinsics and distortion before a car "
        "drives with this.",
        f"schema: {SCHEMA}",
        f"vehicle: {word(vehicle)}",
        "lidar2ego:  # a lidar with x right and y forward, as in nuScenes, has yaw_deg: -90",
        *(f"  {line}" for line in _pose_lines(lidar)),
        "cameras:  # in the order that the model expects",
    ]
    for camera in cameras:
        width, height = camera.size_px
        lines += [
            f"  # {camera.fov_deg:.1f} degrees across",
            f"  - name: {word(camera.name)}",
            f"    size_px: [{width}, {height}]",
            "    intrinsic:",
            f"      - [{camera.focal_px:.6f}, 0.0, {width / 2!r}]",
            f"      - [0.0, {camera.focal_px:.6f}, {height / 2!r}]",
            "      - [0.0, 0.0, 1.0]",
            "    sensor2ego:",
            *(f"      {line}" for line in _pose_lines(camera.given)),
            f"      axes: {BODY}",
        ]
    return "\n".join(lines) + "\n"


def _pose_lines(given: Mapping[str, float]) -> list[str]:
    angles = [f"{key}: {given.get(key, 0.0)!r}" for key in ANGLES]
    place = ", ".join(repr(given.get(key, 0.0)) for key in PLACE)
    return [*angles, f"rotation_order: {ORDERS[0]}", f"translation_m: [{place}]"]


def _numbers(option: str, parts: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in parts)):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if key not in known or not sign:
            raise UsageError(option, f"key=value with {', '.join(known)}", repr(part), closest(key, known))
        if key in numbers:
            raise UsageError(f"{option}: {key}", "each key once", "it twice")
        try:
            numbers[key] = float(value)
        except ValueError as error:
            raise UsageError(f"{option}: {key}", "a number", repr(value)) from error
        if not math.isfinite(numbers[key]):
            raise UsageError(f"{option}: {key}", "a finite number", value)
    return numbers
