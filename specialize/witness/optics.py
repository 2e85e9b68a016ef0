"""Project rays through the models of lenses, written from their mathematics.

A ray is a unit vector: w = x + iy across the axis, right and down, and z along it. Angles come from the chords to the
axis's ends, images of a plane are complex numbers, slopes are complex steps, folds are found by scanning and bisecting:
all unlike the compiler. Every image is (places, valid): complex pixels, and whether the lens images the ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
Profile = Callable[[Any], Any]
Image = Callable[[Mapping[str, float], Complexes, Floats, float], tuple[Complexes, Bools]]

STEPS = 20_000
FARTHEST_PX = 1e5


def _angle(w: Complexes, z: Floats) -> Floats:
    """Return (...) angles of unit rays from the axis, by the chords to its two ends."""
    return 2 * np.arctan2(np.hypot(np.abs(w), z - 1), np.hypot(np.abs(w), z + 1))


def _turned(w: Complexes, radius: Any) -> Complexes:
    """Return radii in the directions of w; the centre where w has none."""
    return np.asarray(np.where(np.abs(w) > 0, radius * np.exp(1j * np.angle(w)), 0))


def _in_pixels(v: Mapping[str, float], m: Complexes) -> Complexes:
    return v["fx"] * m.real + v["skew"] * m.imag + v["cx"] + 1j * (v["fy"] * m.imag + v["cy"])


def _powers(v: Mapping[str, float], x: Any, names: str, first: int = 1, step: int = 1) -> Any:
    """Return the sum of parameters times x to the powers first, first + step, ..."""
    return sum(v[name] * x ** (first + step * place) for place, name in enumerate(names.split()))


def _bent(w: Complexes, across: complex) -> Complexes:
    """Return the tangential part: 2 w (w . q) + |w|^2 q."""
    return np.asarray(2 * w * (w * np.conj(across)).real + np.abs(w) ** 2 * across)


def _slope(profile: Profile, x: Floats) -> Floats:
    return np.asarray(np.imag(profile(x + 1e-150j)) * 1e150)


def _first_end(positive: Callable[[Floats], Floats], end: float) -> float:
    """Return the first place in (0, end) where a function is not positive; `end` if it is everywhere."""
    grid = np.linspace(end / STEPS / 2, end - end / STEPS / 2, STEPS)
    values = positive(grid)
    after = int(np.argmin(values > 0))
    if values[after] > 0:
        return end
    low, high = (grid[after - 1] if after else 0.0), grid[after]
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if positive(np.array([middle]))[0] > 0 else (low, middle)
    return float(low)


def _straight(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    return _in_pixels(v, w / z), (z > 0) & (_angle(w, z) < widest)


def _on_plane(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    """Brown and Conrady's lens is Mei's without a sphere: xi is 0, in front of the camera alone."""
    return _unified({**v, "xi": 0.0}, w, z, min(widest, np.pi / 2))


def _unified(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    full = {**dict.fromkeys(("k4", "k5", "k6", "s1", "s2", "s3", "s4"), 0.0), **v}
    xi, across = full["xi"], complex(full["p2"], full["p1"])
    bend = 6 * abs(across), 2 * np.hypot(full["s1"], full["s3"]), 4 * np.hypot(full["s2"], full["s4"])

    def under(r: Any) -> Any:
        return 1 + _powers(full, r, "k4 k5 k6", 2, 2)

    def grown(r: Any) -> Any:
        return (1 + _powers(full, r, "k1 k2 k3", 2, 2)) / under(r)

    def room(angle: Floats) -> Floats:
        r = np.sin(angle) / (np.cos(angle) + xi)
        least = np.minimum(_slope(lambda s: s * grown(s), r), grown(r))
        return np.asarray(np.minimum(least - (bend[0] + bend[1]) * r - bend[2] * r**3, under(r)))

    limit = _first_end(room, min(float(np.arccos(-min(xi, 1 / xi if xi else 0.0))), np.pi))
    m = w / (z + xi)
    r = np.abs(m)
    prism = complex(full["s1"], full["s3"]) * r**2 + complex(full["s2"], full["s4"]) * r**4
    places = m * grown(r) + _bent(m, across) + prism
    return _in_pixels(v, places), (_angle(w, z) < min(limit, widest)) & (z + xi > 0)


def _by_angle(profile: Profile, w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    """Return images around the centre whose distance from it is a function of the angle."""
    angle = _angle(w, z)
    limit = _first_end(lambda grid: _slope(profile, grid), np.pi)
    return _turned(w, profile(angle)), angle < min(limit, widest)


def _odd(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    names = "k0 k1 k2 k3 k4 k5" if "p0" in v else "k1 k2 k3 k4"
    a, valid = _by_angle(lambda t: t + _powers(v, t, names, 3, 2), w, z, widest)
    return _in_pixels(v, a + _bent(a, complex(v["p0"], v["p1"])) if "p0" in v else a), valid


def _radial(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    a, valid = _by_angle(lambda t: _powers(v, t, "k1 k2 k3 k4"), w, z, widest)
    return _in_pixels({**v, "fx": 1.0, "fy": v["aspect"], "skew": 0.0}, a), valid


def _ftheta(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    def named(letter: str) -> Profile:
        return lambda x: _powers(v, x, " ".join(f"{letter}{power}" for power in range(6)), 0)

    if v["reference"]:
        a, valid = _inverse(named("b"), w, z, widest)
    else:
        a, valid = _by_angle(named("a"), w, z, widest)
    a = v["c"] * a.real + v["d"] * a.imag + 1j * (v["e"] * a.real + a.imag)
    return a + complex(v["cx"], v["cy"]), valid


def _inverse(profile: Profile, w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    """Return images around the centre whose angle is a function of the distance from it, by bisection."""
    angle, end = _angle(w, z), _first_end(lambda r: _slope(profile, r), FARTHEST_PX)
    low, high = np.zeros_like(angle), np.full_like(angle, end)
    for _ in range(90):
        middle = (low + high) / 2
        short = profile(middle) <= angle
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    valid = (angle >= profile(0.0)) & (angle < min(float(profile(end)), widest, np.pi))
    on_axis = np.abs(w) == 0
    return _turned(w, low), np.where(on_axis, z > 0, valid)


def _eucm(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    alpha, d = v["alpha"], np.hypot(np.sqrt(v["beta"]) * np.abs(w), z)
    share = min(alpha, 1 - alpha) / max(alpha, 1 - alpha)
    valid = (z > -share * d) & (_angle(w, z) < widest)
    return _in_pixels(v, w / (alpha * (d - z) + z)), valid


def _double(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    xi, alpha = v["xi"], v["alpha"]
    deep = xi + z
    d = np.hypot(np.abs(w), deep)
    share = min(alpha, 1 - alpha) / max(alpha, 1 - alpha)
    valid = (z > -(share + xi) / np.sqrt(2 * share * xi + xi * xi + 1)) & (_angle(w, z) < widest)
    valid &= (np.abs(w) > 0) | (z > 0)
    if xi > 1:  # the first sphere's image turns back where the ray touches it
        valid &= z > -1 / xi
    return _in_pixels(v, w / (alpha * (d - deep) + deep)), valid


def _cylinder(v: Mapping[str, float], w: Complexes, z: Floats, widest: float) -> tuple[Complexes, Bools]:
    flat = z + 1j * w.real  # seen from above
    around = np.angle(flat)
    return _in_pixels(v, around + 1j * w.imag / np.abs(flat)), (np.abs(flat) > 0) & (
        np.abs(around) < min(widest, np.pi)
    )


IMAGES: Mapping[str, Image] = {
    "pinhole": _straight,
    "brown_conrady": _on_plane,
    "kannala_brandt": _odd,
    "fisheye62": _odd,
    "mei": _unified,
    "eucm": _eucm,
    "double_sphere": _double,
    "ftheta": _ftheta,
    "radial_poly": _radial,
    "cylindrical": _cylinder,
}


def depth_of(model: str, v: Mapping[str, float], w: Complexes, z: Floats) -> Floats:
    """Return what a model's formula divides unit rays by; 1 for those that go by the angle."""
    if model in ("pinhole", "brown_conrady"):
        return z
    if model == "mei":
        return z + v["xi"]
    if model == "eucm":
        return np.asarray(v["alpha"] * np.sqrt(v["beta"] * np.abs(w) ** 2 + z * z) + (1 - v["alpha"]) * z)
    if model == "double_sphere":
        deep = v["xi"] + z
        return np.asarray(v["alpha"] * np.sqrt(np.abs(w) ** 2 + deep * deep) + (1 - v["alpha"]) * deep)
    return np.asarray(np.hypot(w.real, z)) if model == "cylindrical" else np.ones_like(z)
