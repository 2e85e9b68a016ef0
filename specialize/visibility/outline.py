"""What bounds on moved cameras need to know of a lens: the border of what an image shows."""

from __future__ import annotations

import numpy as np

from specialize.calibration.lens import Lens
from specialize.visibility.grid import Bools, Floats

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
