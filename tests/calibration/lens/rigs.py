"""One lens of every kind, with parameters of the size that real ones have."""

from __future__ import annotations

from specialize.calibration.lens import Lens, lens_of

K = {"fx": 600.0, "fy": 610.0, "cx": 640.0, "cy": 400.0}

SPELLED: dict[str, tuple[str, dict[str, float]]] = {
    "pinhole": ("pinhole", K | {"skew": 3.0}),
    "radtan": ("radtan", K | {"k1": -0.3, "k2": 0.1, "p1": 1e-3, "p2": -2e-3}),
    "plumb_bob": ("plumb_bob", K | {"k1": -0.3, "k2": 0.1, "p1": 1e-3, "p2": -2e-3, "k3": -0.01}),
    "rational": (
        "rational_polynomial",
        K | {"k1": 5.2, "k2": 1.8, "p1": 1e-4, "p2": 1e-4, "k3": 0.05, "k4": 5.5, "k5": 3.0, "k6": 0.4},
    ),
    "thin_prism": ("thin_prism", K | {"k1": -0.2, "k2": 0.05, "s1": 1e-3, "s2": -1e-4, "s3": 5e-4, "s4": 1e-4}),
    "kannala_brandt": ("equidistant", K | {"k1": 0.02, "k2": -0.01, "k3": 0.003, "k4": -0.001}),
    "fisheye62": ("fisheye62", K | {"k0": 0.02, "k1": -0.01, "k2": 0.001, "p0": 1e-3, "p1": -5e-4}),
    "mei_kitti360": (
        "MEI".lower(),
        {
            "gamma1": 1336.3, "gamma2": 1335.8, "u0": 716.9, "v0": 705.7,
            "xi": 2.2134, "k1": 0.0168, "k2": 1.6548, "p1": 4.2e-4, "p2": 4.2e-4,
        },
    ),
    "mei_below_one": ("omni", K | {"xi": 0.8, "k1": -0.05}),
    "eucm": ("eucm", K | {"alpha": 0.6, "beta": 1.1}),
    "eucm_flat": ("eucm", K | {"alpha": 0.3, "beta": 0.9}),
    "double_sphere": ("ds", K | {"xi": -0.2, "alpha": 0.58}),
    "ftheta": ("ftheta", {"cx": 960.0, "cy": 600.0, "a1": 900.0, "a2": 3.0, "a3": -20.0, "d": 1e-3, "e": -1e-3}),
    "ftheta_inverse": (
        "ftheta", {"cx": 960.0, "cy": 600.0, "b1": 1 / 900, "b2": 1e-9, "b3": 1e-11, "reference": 1.0},
    ),
    "radial_poly": (
        "radial_poly",
        {"cx": 643.4, "cy": 479.2, "k1": 339.749, "k2": -31.988, "k3": 48.275, "k4": -7.201, "aspect": 1.01},
    ),
    "cylindrical": ("cylindrical", K),
}  # fmt: skip
"""Model and parameters, as formats spell them, by a name of this list."""


def lens(name: str) -> Lens:
    """Return a lens of the list."""
    return lens_of(*SPELLED[name])
