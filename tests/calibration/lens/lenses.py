"""Lenses of every model, and where they end: from polynomial roots and the papers' angles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FOCAL = {"fx": 610.0, "fy": 605.0, "cx": 641.5, "cy": 480.25}
SIDES = {"p0": 1e-4, "p1": -2e-4}
EVERY: dict[str, dict[str, Any]] = {
    "pinhole": {"model": "pinhole", "parameters": {**FOCAL, "skew": 1.5}},
    "brown_conrady": {"model": "brown_conrady", "parameters": {**FOCAL, "k1": -0.31, "k2": 0.05, "p1": 1e-4}},
    "brown_conrady bent": {"model": "brown_conrady", "parameters": {**FOCAL, "p1": 0.05, "p2": -0.03}},
    "kannala_brandt": {
        "model": "kannala_brandt",
        "parameters": {**FOCAL, "k1": 0.02, "k2": -0.03, "k3": 1e-3},
    },
    "fisheye62": {
        "model": "fisheye62",
        "parameters": {
            **FOCAL,
            "k0": -0.024,
            "k1": 0.099,
            "k2": -0.067,
            "k3": 0.012,
            "k4": 0.0014,
            "k5": -5.5e-4,
            **SIDES,
        },
    },
    "mei": {
        "model": "mei",
        "parameters": {**FOCAL, "xi": 2.21, "k1": 0.0168, "k2": 1.65, "p1": 4e-4, "p2": 4e-4},
    },
    "mei narrow": {"model": "mei", "parameters": {**FOCAL, "xi": 0.8, "k1": -0.1}},
    "eucm": {"model": "eucm", "parameters": {**FOCAL, "alpha": 0.62, "beta": 1.09}},
    "eucm flat": {"model": "eucm", "parameters": {**FOCAL, "alpha": 0.35, "beta": 0.9}},
    "double_sphere": {"model": "double_sphere", "parameters": {**FOCAL, "xi": -0.21, "alpha": 0.58}},
    "double_sphere far": {"model": "double_sphere", "parameters": {**FOCAL, "xi": 1.4, "alpha": 0.5}},
    "ftheta": {
        "model": "ftheta",
        "parameters": {"cx": 640.0, "cy": 480.0, "a1": 600.0, "a3": -12.0, "a5": -0.9},
    },
    "ftheta back": {
        "model": "ftheta",
        "parameters": {"cx": 640.0, "cy": 480.0, "b1": 1e-3, "b3": -2e-10, "reference": 1.0},
    },
    "radial_poly": {
        "model": "radial_poly",
        "parameters": {
            "cx": 643.442,
            "cy": 479.407,
            "k1": 339.749,
            "k2": -31.988,
            "k3": 48.275,
            "k4": -7.201,
        },
    },
    "cylindrical": {"model": "cylindrical", "parameters": FOCAL},
}


def limits_rad() -> dict[str, float]:
    """Return where lenses end, from polynomial roots and the papers' angles."""
    kb = EVERY["kannala_brandt"]["parameters"]
    ft, back = EVERY["ftheta"]["parameters"], EVERY["ftheta back"]["parameters"]
    aria = [1, *(x for i in range(6) for x in (0, (2 * i + 3) * EVERY["fisheye62"]["parameters"][f"k{i}"]))]
    narrow = [1, 0, 3 * EVERY["mei narrow"]["parameters"]["k1"]]
    r_end = min(positive(narrow[::-1]))
    r_theta = math.atan(r_end) + math.asin(0.8 * r_end / math.hypot(1, r_end))  # sin t = r (cos t + xi)
    r_back = min(positive([3 * back["b3"], 0, back["b1"]]))
    return {
        "pinhole": math.pi / 2,
        "brown_conrady bent": math.atan(1 / (6 * math.hypot(0.05, 0.03))),
        "kannala_brandt": min(positive([7 * kb["k3"], 0, 5 * kb["k2"], 0, 3 * kb["k1"], 0, 1])),
        "fisheye62": min(positive(aria[::-1])),
        "mei": math.acos(-1 / 2.21),
        "mei narrow": min(r_theta, math.acos(-0.8)),
        "ftheta": min(positive([5 * ft["a5"], 0, 3 * ft["a3"], 0, ft["a1"]])),
        "ftheta back": back["b1"] * r_back + back["b3"] * r_back**3,
        "radial_poly": min([*positive([-4 * 7.201, 3 * 48.275, -2 * 31.988, 339.749]), math.pi]),
        **{name: eucm_limit_rad(**EVERY[name]["parameters"]) for name in ("eucm", "eucm flat")},
        "double_sphere": math.acos(-(0.42 / 0.58 - 0.21) / math.sqrt(-2 * 0.42 / 0.58 * 0.21 + 0.21**2 + 1)),
        "double_sphere far": math.acos(-1 / 1.4),
    }


def eucm_limit_rad(alpha, beta, **_):
    """Return where the denominator vanishes, or the image turns back on the other side of one half."""
    w = min(alpha, 1 - alpha) / max(alpha, 1 - alpha)
    return math.pi - math.atan(math.sqrt(1 - w * w) / (w * math.sqrt(beta)))


def positive(polynomial):
    """Return the real positive roots, highest power first."""
    roots = np.roots(polynomial)
    return [float(root.real) for root in roots if abs(root.imag) < 1e-9 and root.real > 0]
