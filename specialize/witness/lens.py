"""Read lenses a second time, from the profile's text; `optics` has the formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specialize.errors import InputError
from specialize.witness.optics import IMAGES, Bools, Floats, depth_of

_ABSENT = ("", "~", "null", "Null", "NULL", None)
_ALIKE = {
    "brown_conrady": ("plumb_bob", "radtan", "rational_polynomial", "thin_prism"),
    "double_sphere": ("ds",),
    "ftheta": ("f_theta",),
    "kannala_brandt": ("equidistant", "fisheye", "opencv_fisheye", "kb4"),
    "mei": ("omni", "omnidir", "unified"),
    "pinhole": ("rectified", "ideal_pinhole"),
}
_ALIASES = {alias: name for name, aliases in _ALIKE.items() for alias in aliases}
_PLACES = {
    "gamma1": "fx",
    "gamma2": "fy",
    "u0": "cx",
    "v0": "cy",
    "fu": "fx",
    "fv": "fy",
    "pu": "cx",
    "pv": "cy",
}
_FOCAL = "fx fy cx cy skew "
_NAMES = {
    "pinhole": _FOCAL,
    "brown_conrady": _FOCAL + "k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4",
    "kannala_brandt": _FOCAL + "k1 k2 k3 k4",
    "fisheye62": _FOCAL + "k0 k1 k2 k3 k4 k5 p0 p1",
    "mei": _FOCAL + "xi k1 k2 k3 p1 p2",
    "eucm": _FOCAL + "alpha beta",
    "double_sphere": _FOCAL + "xi alpha",
    "ftheta": "cx cy c d e reference a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5",
    "radial_poly": "cx cy k1 k2 k3 k4 aspect",
    "cylindrical": _FOCAL,
}
_DEFAULTS = {"c": 1.0, "aspect": 1.0}
_REFERENCES = {"angle_to_pixeldist": 0.0, "pixeldist_to_angle": 1.0}


@dataclass(frozen=True, slots=True)
class EyeLens:
    """One lens as its profile spells it.

    Attributes:
        model: Its name.
        values: Every parameter by name.
        widest_rad: Least angle that is not seen, where the profile gives one.
        centre: Where the parameters count the centre of a pixel, of its width.
        glass: Coefficients of the windshield's horizontal and vertical polynomial; none without one.
    """

    model: str
    values: Mapping[str, float]
    widest_rad: float = np.inf
    centre: float = 0.0
    glass: Sequence[Sequence[float]] = field(default_factory=tuple)


def lens_of(mapping: Mapping[str, Any]) -> EyeLens:
    """Return the lens of a profile's plain values; numbers may be words.

    Raises:
        InputError: The model, or a parameter, has no formula here.
    """
    said = {key: value for key, value in mapping.items() if not (isinstance(value, str) and value in _ABSENT)}
    model = _ALIASES.get(str(said["model"]), str(said["model"]))
    if model not in _NAMES:
        raise InputError("lens.model", ", ".join(sorted(_NAMES)), repr(model))
    names = _NAMES[model].split()
    values = {name: _DEFAULTS.get(name, 0.0) for name in names}
    for name, value in said["parameters"].items():
        own = name if name in values else _PLACES.get(name, name)
        if own not in values:
            raise InputError(f"lens.parameters.{name}", ", ".join(names), "a name that the model lacks")
        if value not in _ABSENT:
            values[own] = float(_REFERENCES.get(value, value))
    glass = said.get("windshield") or {}
    return EyeLens(
        model,
        values,
        float(said.get("max_angle_rad") or np.inf),
        float(said.get("pixel_centre") or 0.0),
        [list(map(float, glass[key])) for key in ("horizontal_poly", "vertical_poly") if glass],
    )


def seen_through(
    lens: EyeLens, points: Floats, *, by_formula: bool = False, least_m: float = 0.0
) -> tuple[Floats, Bools]:
    """Return where points land in the raw image, and which the lens images at all, inside of the image or not.

    Args:
        lens: The lens.
        points: (..., 3) in the camera's frame, metres.
        by_formula: Whether what the formula alone gives counts, where its denominator is greater than `least_m`.
        least_m: Least denominator, not included.

    Returns:
        (..., 2) pixels, NaN where nothing is seen; (...) whether something is.
    """
    with np.errstate(all="ignore"):
        rays = points / np.linalg.norm(points, axis=-1, keepdims=True)
        if lens.glass:
            rays = _through_glass(lens.glass, rays)
        w, z = rays[..., 0] + 1j * rays[..., 1], rays[..., 2]  # (...) across the axis, and along it
        places, valid = IMAGES[lens.model](lens.values, w, z, lens.widest_rad)
        uv = np.stack([places.real, places.imag], axis=-1) - lens.centre
        if by_formula:
            valid = depth_of(lens.model, lens.values, w, z) * np.linalg.norm(points, axis=-1) > least_m
    valid = valid & np.isfinite(uv).all(axis=-1)
    return np.where(valid[..., None], uv, np.nan), np.asarray(valid)


def _through_glass(glass: Sequence[Sequence[float]], rays: Floats) -> Floats:
    """Return unit rays (..., 3) behind a windshield: angles to the planes x = 0 and y = 0 are polynomials of both."""
    across, down, along = np.moveaxis(rays, -1, 0)
    phi, theta = np.arctan2(across, np.hypot(down, along)), np.arctan2(down, np.hypot(across, along))
    bent = []
    for coefficients in glass:
        size = int(np.sqrt(2 * len(coefficients)))
        square = np.zeros((size, size))  # [power of phi, power of theta]
        square.T[np.triu_indices(size)[0], np.concatenate([np.arange(size - row) for row in range(size)])] = (
            coefficients
        )
        bent.append(np.sin(np.polynomial.polynomial.polyval2d(phi, theta, square)))
    depth = np.sqrt(np.maximum(0.0, 1 - bent[0] ** 2 - bent[1] ** 2))
    return np.stack([*bent, depth * np.sign(along)], axis=-1)
