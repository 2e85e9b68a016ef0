"""Define how far a camera may be from its nominal calibration, due to assembly, drift and motion."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from specialize.errors import InputError, closest


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Bounds on the deviation of one camera, each at least 0; all zero means exactly as calibrated.

    `rotation_deg` and `translation_m` bound the angle and the length of the pose error, `focal_percent` the relative
    error of both focal lengths, `principal_point_px` each coordinate of the principal point in raw image pixels. The
    last three bound the vehicle's motion between lidar and camera exposure.
    """

    rotation_deg: float = 0.0
    translation_m: float = 0.0
    focal_percent: float = 0.0
    principal_point_px: float = 0.0
    ego_speed_mps: float = 0.0
    yaw_rate_degps: float = 0.0
    time_skew_s: float = 0.0

    def __post_init__(self) -> None:
        """Check every bound.

        Raises:
            InputError: A bound is negative or not finite.
        """
        for key, bound in self.to_json().items():
            if not (math.isfinite(bound) and bound >= 0):
                raise InputError(f"tolerance.{key}", "a finite number >= 0", repr(bound))

    @property
    def is_zero(self) -> bool:
        """Return whether the camera must be exactly as calibrated."""
        return not any(dataclasses.astuple(self))

    def to_json(self) -> dict[str, float]:
        """Return every bound by its key, which ends with the unit."""
        return {key: getattr(self, key) for key in TOLERANCE_KEYS}


TOLERANCE_KEYS = tuple(field.name for field in dataclasses.fields(Tolerance))
EXACT = Tolerance()

_WORDS = {
    "rotation": "rotation_deg",
    "translation": "translation_m",
    "focal": "focal_percent",
    "principal_point": "principal_point_px",
    "speed": "ego_speed_mps",
    "ego_speed": "ego_speed_mps",
    "yaw_rate": "yaw_rate_degps",
    "skew": "time_skew_s",
    "time_skew": "time_skew_s",
}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "rotation_deg": {"deg": 1.0, "mrad": math.degrees(1e-3), "rad": math.degrees(1.0)},
    "translation_m": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
    "focal_percent": {"%": 1.0},
    "principal_point_px": {"px": 1.0},
    "ego_speed_mps": {"m/s": 1.0, "km/h": 1 / 3.6},
    "yaw_rate_degps": {"deg/s": 1.0, "rad/s": math.degrees(1.0)},
    "time_skew_s": {"s": 1.0, "ms": 1e-3},
}
_ITEM = re.compile(r"\s*([a-z_]+)\s*=\s*([0-9.eE+-]+)\s*([a-z%/]+)\s*")


def parse_tolerance(text: str, where: str = "--tolerance") -> Tolerance:
    """Parse a tolerance such as `rotation=0.5deg,translation=3cm,focal=0.5%`.

    Raises:
        InputError: An item is not `word=number unit`, or the word or the unit is unknown.
    """
    bounds: dict[str, float] = {}
    for item in filter(str.strip, text.split(",")):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise InputError(
                where, "items like rotation=0.5deg", repr(item.strip()), "every number needs a unit"
            )
        word, number, unit = match.groups()
        if word not in _WORDS:
            raise InputError(where, "a known quantity", repr(word), closest(word, _WORDS))
        key = _WORDS[word]
        if unit not in _UNITS[key]:
            raise InputError(where, f"a unit of {word}", repr(unit), f"known: {', '.join(_UNITS[key])}")
        if key in bounds:
            raise InputError(where, f"{word} once", "it twice")
        bounds[key] = _number(number, where) * _UNITS[key][unit]
    return Tolerance(**bounds)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(where, "a number before the unit", repr(text)) from None
