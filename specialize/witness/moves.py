"""Move cameras within a tolerance, as the user wrote it, composed independently of the compiler.

A point at the lidar's time is `R (p - d)` in the vehicle's frame at exposure, if the vehicle has moved by d and turned
by the inverse of R meanwhile. The camera was itself displaced by `shift_m`, and its view is turned by `turn_rad`, both
in its own axes; focal lengths and principal point have changed.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialize.errors import InputError
from specialize.witness.lens import EyeLens
from specialize.witness.rig import Eye, Floats, Rig

_WRITTEN: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "rotation": ("rotation_deg", {"deg": 1.0, "mrad": 0.18 / math.pi, "rad": 180.0 / math.pi}),
    "translation": ("translation_m", {"m": 1.0, "cm": 0.01, "mm": 0.001}),
    "focal": ("focal_percent", {"%": 1.0}),
    "principal_point": ("principal_point_px", {"px": 1.0}),
    "speed": ("ego_speed_mps", {"m/s": 1.0, "km/h": 1000.0 / 3600.0}),
    "ego_speed": ("ego_speed_mps", {"m/s": 1.0, "km/h": 1000.0 / 3600.0}),
    "yaw_rate": ("yaw_rate_degps", {"deg/s": 1.0, "rad/s": 180.0 / math.pi}),
    "skew": ("time_skew_s", {"s": 1.0, "ms": 0.001}),
    "time_skew": ("time_skew_s", {"s": 1.0, "ms": 0.001}),
}


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Any number of moves of one camera; leading axes broadcast.

    Attributes:
        turn_rad: (..., 3) axis times angle by which points turn, camera axes.
        shift_m: (..., 3) displacement of the camera, camera axes.
        focal_ratio: (..., 2) relative change of the focal lengths.
        centre_px: (..., 2) shift of the principal point, raw pixels.
        ego_turn_rad: (...) angle by which points turn about the vehicle's z axis between lidar and exposure.
        ego_shift_m: (..., 3) way of the vehicle meanwhile, vehicle axes.
    """

    turn_rad: Floats
    shift_m: Floats
    focal_ratio: Floats
    centre_px: Floats
    ego_turn_rad: Floats
    ego_shift_m: Floats

    def at(self, index: tuple[int, ...] | int) -> Moves:
        """Return one of them."""
        return Moves(*(np.asarray(getattr(self, field.name)[index]) for field in dataclasses.fields(self)))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a tolerance allows one camera, all in SI units, radians and raw pixels; ratios are not percent."""

    turn_rad: float
    shift_m: float
    focal_ratio: float
    centre_px: float
    ego_turn_rad: float
    ego_shift_m: float

    @property
    def nothing(self) -> bool:
        """Return whether the camera must be exactly as calibrated."""
        return not any(dataclasses.astuple(self))


def written_tolerance(text: str) -> dict[str, float]:
    """Return the bounds of `rotation=0.5deg,translation=3cm` by the keys that a profile uses."""
    bounds: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)\s*=\s*([-+.\deE]+)\s*(\S+)", item)
        if match is None or match[1] not in _WRITTEN or match[3] not in _WRITTEN[match[1]][1]:
            raise InputError("--tolerance", "items like rotation=0.5deg", repr(item))
        key, units = _WRITTEN[match[1]]
        bounds[key] = float(match[2]) * units[match[3]]
    return bounds


def bounds_of(eye: Eye, tolerance: Mapping[str, float] | None) -> Bounds:
    """Return what a tolerance allows a camera; None takes the profile's own."""
    given = eye.tolerance if tolerance is None else tolerance
    seconds = abs(eye.time_offset_s) + given.get("time_skew_s", 0.0)
    return Bounds(
        turn_rad=given.get("rotation_deg", 0.0) * math.pi / 180,
        shift_m=given.get("translation_m", 0.0),
        focal_ratio=given.get("focal_percent", 0.0) / 100,
        centre_px=given.get("principal_point_px", 0.0),
        ego_turn_rad=given.get("yaw_rate_degps", 0.0) * math.pi / 180 * seconds,
        ego_shift_m=given.get("ego_speed_mps", 0.0) * seconds,
    )


def taken_apart(eye: Eye) -> tuple[Floats, Floats]:
    """Return intrinsic and camera_from_lidar, (4, 4) each, whose product is `image_from_lidar`.

    A bare matrix is taken apart by its Gram matrix: with M = [s K R | t], M Mᵀ = s² K Kᵀ and K is upper triangular.
    """
    if eye.lens is not None and eye.camera_from_lidar is not None:
        return np.eye(4), eye.camera_from_lidar  # its image is no matrix; moves of the lens are `refocused`
    if eye.intrinsic is not None and eye.camera_from_lidar is not None:
        return eye.intrinsic, eye.camera_from_lidar
    left = eye.image_from_lidar[:3, :3]
    lower = np.linalg.cholesky((left @ left.T)[::-1, ::-1])  # of the axes in reverse order
    intrinsic = np.eye(4)
    intrinsic[:3, :3] = lower[::-1, ::-1]
    return intrinsic, np.asarray(np.linalg.inv(intrinsic) @ eye.image_from_lidar)


def moved(eye: Eye, ego_from_lidar: Floats | None, moves: Moves) -> tuple[Floats, Floats]:
    """Return intrinsic and camera_from_lidar of a camera after moves, (..., 4, 4) each."""
    intrinsic, pose = taken_apart(eye)
    lens = np.array(np.broadcast_to(intrinsic, (*moves.focal_ratio.shape[:-1], 4, 4)))
    lens[..., 0, :2] *= 1 + moves.focal_ratio[..., :1]
    lens[..., 1, 1] *= 1 + moves.focal_ratio[..., 1]
    lens[..., :2, 2] += moves.centre_px * intrinsic[2, 2]
    ego = np.eye(4) if ego_from_lidar is None else ego_from_lidar
    about_z = np.zeros((*moves.ego_turn_rad.shape, 3))
    about_z[..., 2] = moves.ego_turn_rad
    motion = rotation(about_z) @ translation(-moves.ego_shift_m)
    seen_from = pose @ np.linalg.inv(ego) @ motion @ ego
    return lens, rotation(moves.turn_rad) @ translation(-moves.shift_m) @ seen_from


def moved_rig(rig: Rig, moves: Sequence[Moves]) -> dict[str, Any]:
    """Return the document of a profile whose cameras are moved, one move each, spelled as the rig's cameras are.

    Numbers have 12 digits: what is beyond is rounding, and differs between machines.
    """
    cameras = []
    for eye, move in zip(rig.eyes, moves, strict=True):
        lens, pose = moved(eye, rig.ego_from_lidar, move)
        camera: dict[str, Any] = {"name": eye.name, "size_px": list(eye.size_px)}
        if eye.lens is not None:
            camera["lens"] = refocused(eye.lens, move.focal_ratio, move.centre_px)
            camera["lidar2cam"] = _rows(pose)
        elif eye.intrinsic is None:
            camera["lidar2img"] = _rows(lens @ pose)
        else:
            camera["intrinsic"] = _rows(lens[:3, :3])
            camera["lidar2cam"] = _rows(pose)
        cameras.append(camera)
    return {"vehicle": rig.vehicle, "cameras": cameras} | (
        {"lidar2ego": dict(rig.spelled)} if rig.spelled else {}
    )


def refocused(lens: EyeLens, ratio: Floats, centre_px: Floats) -> dict[str, Any]:
    """Return the document of a lens whose focal lengths and centre have changed."""
    along = dict.fromkeys(("fx", "skew", *(f"a{power}" for power in range(6))), 1)
    along |= {f"b{power}": -power for power in range(6)}
    along |= dict.fromkeys(("k1", "k2", "k3", "k4"), 1) if lens.model == "radial_poly" else {}
    values = {
        name: value * (1 + float(ratio[0])) ** along.get(name, 0) for name, value in lens.values.items()
    }
    if "fy" in values:
        values["fy"] = lens.values["fy"] * (1 + float(ratio[1]))
    values |= {"cx": values["cx"] + float(centre_px[0]), "cy": values["cy"] + float(centre_px[1])}
    found: dict[str, Any] = {
        "model": lens.model,
        "parameters": {name: float(f"{value:.12g}") for name, value in values.items()},
        "pixel_centre": lens.centre,
    }
    if np.isfinite(lens.widest_rad):
        found["max_angle_rad"] = lens.widest_rad
    if lens.glass:
        found["windshield"] = dict(
            zip(("horizontal_poly", "vertical_poly"), map(list, lens.glass), strict=True)
        )
    return found


def _rows(matrix: Floats) -> list[list[float]]:
    return [[float(f"{value:.12g}") for value in row] for row in matrix]


def rotation(axis_angle: Floats) -> Floats:
    """Return (..., 4, 4), the rotations about axes (..., 3) by their lengths in radians."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle[..., 0], 1e-300), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack(
        [np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2
    )
    turned = np.zeros((*axis_angle.shape[:-1], 4, 4))
    turned[..., :3, :3] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    turned[..., 3, 3] = 1.0
    return turned


def translation(vector: Floats) -> Floats:
    """Return (..., 4, 4), the translations by vectors (..., 3)."""
    matrix = np.zeros((*vector.shape[:-1], 4, 4))
    matrix[...] = np.eye(4)
    matrix[..., :3, 3] = vector
    return matrix
