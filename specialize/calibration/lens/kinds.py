"""Every lens by its name, and the names that other formats give to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from specialize.calibration.lens.base import Floats, Lens
from specialize.calibration.lens.radial import Fisheye62, FTheta, KannalaBrandt, RadialPoly
from specialize.calibration.lens.sphere import DoubleSphere, Eucm, Mei
from specialize.calibration.lens.straight import BrownConrady, Cylindrical, Pinhole
from specialize.calibration.lens.windshield import Windshield
from specialize.errors import InputError, closest

_CLASSES: tuple[type[Lens], ...] = (
    Pinhole, BrownConrady, KannalaBrandt, Fisheye62, Mei, Eucm, DoubleSphere, FTheta, RadialPoly, Cylindrical,
)  # fmt: skip
LENSES: Mapping[str, type[Lens]] = MappingProxyType({each.MODEL: each for each in _CLASSES})
"""Every lens by the name of its model."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "rectified": "pinhole",
        "ideal_pinhole": "pinhole",
        "plumb_bob": "brown_conrady",
        "radtan": "brown_conrady",
        "rational_polynomial": "brown_conrady",
        "thin_prism": "brown_conrady",
        "equidistant": "kannala_brandt",
        "fisheye": "kannala_brandt",
        "opencv_fisheye": "kannala_brandt",
        "kb4": "kannala_brandt",
        "omni": "mei",
        "omnidir": "mei",
        "unified": "mei",
        "ds": "double_sphere",
        "f_theta": "ftheta",
    }
)
"""Names of models in the formats of others."""

PARAMETER_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "gamma1": "fx", "gamma2": "fy", "u0": "cx", "v0": "cy",
        "fu": "fx", "fv": "fy", "pu": "cx", "pv": "cy",
    }
)  # fmt: skip
"""Names of parameters in the formats of others."""


COEFFICIENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none": (),
        "radtan": ("k1", "k2", "p1", "p2"),
        "plumb_bob": ("k1", "k2", "p1", "p2", "k3"),
        "rational_polynomial": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
        "thin_prism": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4"),
        "equidistant": ("k1", "k2", "k3", "k4"),
        "fisheye62": ("k0", "k1", "k2", "k3", "p0", "p1"),
    }
)
"""Coefficients of each distortion in the order that OpenCV, ROS, Kalibr and Foxglove write them."""


def matrix_parameters(intrinsic: Floats) -> dict[str, float]:
    """Return the parameters that an intrinsic (3, 3) in px gives a lens: the inverse of `Lens.matrix`."""
    k = intrinsic
    return {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2], "skew": k[0, 1]}


def lens_of(
    model: str,
    parameters: Mapping[str, float],
    *,
    max_angle_rad: float | None = None,
    pixel_centre: float = 0.0,
    windshield: Windshield | None = None,
) -> Lens:
    """Return a lens by the name of its model and parameters by name, aliases included.

    Raises:
        InputError: There is no such model, or the parameters describe no lens.
    """
    kind = LENSES.get(ALIASES.get(model, model))
    if kind is None:
        raise InputError("lens.model", "a known lens", repr(model), closest(model, [*LENSES, *ALIASES]))
    named: dict[str, float] = {}
    for name, value in parameters.items():
        own = PARAMETER_ALIASES.get(name, name) if name not in kind.REQUIRED else name
        if own in named:
            raise InputError(f"lens.parameters.{name}", f"{own} once", "twice, under two names")
        named[own] = value
    return kind(named, max_angle_rad=max_angle_rad, pixel_centre=pixel_centre, windshield=windshield)
