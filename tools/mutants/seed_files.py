"""What a seed is on disk: a model, its sidecar, the vehicle, further vehicles, and how it is built."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from specialize.calibration.dump import dump_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.files.resources import resource_dir


def write_seed(
    home: Path,
    model: onnx.ModelProto,
    sidecar: str,
    profile: CalibrationProfile,
    areas: tuple[str, ...],
    more: Sequence[CalibrationProfile] | None = None,
    beyond: Sequence[CalibrationProfile] = (),
    **options: Any,
) -> None:
    """Write a seed into its folder.

    Args:
        home: The folder.
        model: What is built.
        sidecar: Its geometry.
        profile: The vehicle; a packaged profile of that name is copied as it is written.
        areas: Areas of the catalogue that the seed is tried first for.
        more: Further vehicles: those that tables are made for, or those that an envelope covers.
        beyond: Vehicles that tables have no room for.
        **options: Of the build.
    """
    onnx.save(model, home / "model.onnx")
    (home / "model.model.yaml").write_text(sidecar)
    packaged = resource_dir("calib_profiles") / f"{profile.vehicle}.yaml"  # with poses as quaternions
    (home / "vehicle.yaml").write_text(packaged.read_text() if packaged.exists() else dump_profile(profile))
    for folder, profiles in (("others", more or ()), ("beyond", beyond)):
        (home / folder).mkdir(parents=True, exist_ok=True)
        for number, other in enumerate(profiles):
            name = f"{folder.removesuffix('s')}{number}"
            (home / folder / f"{name}.yaml").write_text(dump_profile(replace(other, vehicle=name)))
    bounds = _bounds(str(options.get("tolerance", "")))
    (home / "seed.json").write_text(json.dumps({"options": options, "bounds": bounds, "areas": areas}))


def _bounds(text: str) -> dict[str, float]:
    """Return a tolerance in radians, metres, pixels and seconds, by word."""
    factors = {"deg": math.pi / 180, "deg/s": math.pi / 180, "cm": 0.01, "%": 0.01, "ms": 0.001}
    found = {}
    for item in filter(None, text.split(",")):
        word, _, value = item.partition("=")
        digits = value.rstrip("abcdefghijklmnopqrstuvwxyz%/")
        found[word] = float(digits) * factors.get(value[len(digits) :], 1.0)
    return found
