"""Compute the border of what an image shows through a lens, for bounds on moved cameras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from specialize.calibration.lens import Lens, Rounded
from specialize.visibility.grid import Bools, Floats

_COARSE, _FINEST, _MOST_CELLS = 16, 2e-3, 40_000
"""Cells across a face of the cube of all directions; half the side of which, and how many, are not divided further."""
SAMPLES = 2048
"""Rays on each border of an image, and on the rim of a lens."""


def border_of(lens: Lens, low: Floats, high: Floats) -> tuple[Floats, float]:
    """Return unit rays (M, 3) on the border of what a rectangle of pixels shows, and the largest gap between them."""
    along = np.linspace(0.0, 1.0, SAMPLES)
    (left, top), (right, bottom) = low, high
    across, down = left + (right - left) * along, top + (bottom - top) * along
    sides = [
        np.stack(np.broadcast_arrays(u, v), axis=-1)
        for u, v in ((across, top), (across, bottom), (left, down), (right, down))
    ]
    found, gap = [], 0.0
    for side in sides:
        rays, valid = lens.unproject(side)
        gap = max(gap, _gap(rays, valid))
        found.append(rays[valid])
    rim = lens.rim(4 * SAMPLES)
    pixels, valid = lens.project(rim)
    with np.errstate(invalid="ignore"):
        shown = valid & ((pixels >= low - 1) & (pixels <= high + 1)).all(axis=-1)
    if shown.any():
        gap = max(gap, _gap(rim, shown))
        found.append(rim[shown])
    return np.concatenate(found), gap


def _gap(rays: Floats, valid: Bools) -> float:
    """Return the largest angle between neighbours; where a border leaves the lens, the rim goes on."""
    both = valid[1:] & valid[:-1]
    steps = np.linalg.norm(rays[1:] - rays[:-1], axis=-1)[both]
    return float(2 * np.arcsin(np.minimum(steps.max(initial=0.0) / 2, 1.0)))


def border_by_formula(lens: Lens, low: Floats, high: Floats) -> tuple[Floats, float]:
    """Return unit rays (M, 3), and an angle within which every border is of one: of what a formula alone shows.

    Shown is what has a positive depth and a pixel in a rectangle, on either side of the lens's limit. All directions
    are divided into cells. The formula, given a cell's middle and its radius as an error, bounds itself: cells surely
    shown and cells surely not hold no border, and others are divided again.
    """
    at, half = _faces(_COARSE), 1 / _COARSE
    while True:
        at = at[:, _is_open(lens, _rays_of(at), math.sqrt(2) * half, low, high)]
        if half < _FINEST or at.shape[1] > _MOST_CELLS:
            return _rays_of(at).T, math.sqrt(2) * half
        half /= 2
        steps = np.array([(0, right, down) for right in (-1, 1) for down in (-1, 1)]).T  # (3, 4)
        at = (at[:, :, None] + half * steps[:, None]).reshape(3, -1)


def _faces(count: int) -> Floats:
    """Return (3, 6 * count**2): the face of a cube, and the middle of a square on it, from -1 to 1."""
    line = (np.arange(count) + 0.5) * 2 / count - 1
    face, right, down = np.meshgrid(np.arange(6.0), line, line, indexing="ij")
    return np.stack([face.ravel(), right.ravel(), down.ravel()])


def _rays_of(at: Floats) -> Floats:
    """Return unit rays (3, P) through places on a cube; the angle between two is no more than their distance."""
    face, sign = at[0].astype(np.int64) % 3, np.where(at[0] < 3, 1.0, -1.0)
    found = np.empty_like(at)
    every = np.arange(at.shape[1])
    for axis, value in enumerate((sign, at[1], at[2])):
        found[(face + axis) % 3, every] = value
    return np.asarray(found / np.linalg.norm(found, axis=0))


def _is_open(lens: Lens, rays: Floats, radius: float, low: Floats, high: Floats) -> Bools:
    """Return which cells around rays (3, P) may hold both what is shown and what is not."""
    with np.errstate(all="ignore"):
        entered = lens.entering(*(Rounded(axis, radius, 2.0**-53) for axis in rays))  # type: ignore[arg-type]
        u, v = (each - lens.pixel_centre for each in lens.formula(*entered))
        margins: list[Any] = [u - low[0], high[0] - u, v - low[1], high[1] - v, lens.depth(*entered)]
        shown, hidden = np.ones(rays.shape[1], bool), np.zeros(rays.shape[1], bool)
        for each in margins:
            error = np.where(np.isnan(each.error), np.inf, each.error)
            shown &= each.value - error > 0
            hidden |= each.value + error < 0
    return ~(shown | hidden)
