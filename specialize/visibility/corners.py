"""Compute what decides blocks of points in front of a lens: pixel, angle and depth at their corners, and curvature.

A formula depends on the direction of a point alone, so that second derivatives at distance n are those at distance 1
over the square of n. Between the corners of a block of radius r, whose points are at least m away, what is interpolated
is therefore wrong by at most half the second derivative times (r / m)^2. Those of the cosine of the angle from the axis
have norms up to 2 / sqrt(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from specialize.calibration.lens import Lens
from specialize.visibility.blocks import Quantity, ends, least
from specialize.visibility.grid import Floats, Ints, VisibilityRule

NEAR_PX, NEAR_RAD, NEAR_DEPTH = 2.0, 2e-3, 1e-2
"""How near to a border a point gets a bound of its own; the depth by share of the distance."""
_WIDEST = 1 / 3
"""Largest share of a block's radius in its distance; nothing is known of blocks that are nearer."""
_GLASS = 4.0
"""Angle to a corner, at most, by share of a block's radius in its distance, behind a windshield."""
_INSIDE = 0.98
"""Share of the formula's own limit up to which it is known not to be near its end."""
_COSINE = 2 / math.sqrt(3)
_SPREAD = 1.5
"""Factor on second derivatives at sampled directions, for all directions."""
_SHALLOW = 2e-2
"""Depth, by share of the distance, below which a formula is too near to its pole."""
_OUTER = 1.1
"""Factor on the distance of an image's corners from the centre, for a circle of directions to be around it."""


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """What decides blocks of one camera.

    Attributes:
        lens: Of the network's image.
        size_px: (2,) width and height.
        rule: When a point is seen.
        bends: (3, A + 1) bounds on second derivatives of columns, rows and depth at distance 1, up to each of `ANGLES`.
        end_rad: Nothing is seen from this angle on.
    """

    lens: Lens
    size_px: Ints
    rule: VisibilityRule
    bends: Floats
    end_rad: float

    @classmethod
    def of(cls, lens: Lens, size_px: Ints, rule: VisibilityRule) -> Corners:
        """Sample second derivatives around the axis, up to where the formula nears its end."""
        last = math.pi if lens.GOES_ON else _INSIDE * lens.model_limit_rad
        last = last if lens.IS_ROUND else _INSIDE * math.pi / 2  # a cylinder's axis stands upright
        values = _around(lens)
        most = _second_derivatives(values).max(axis=1)  # (3, A)
        most[:2, (values[2, 0] < _SHALLOW).any(axis=0) | (last < ANGLES)] = np.inf
        most = np.maximum.accumulate(np.where(np.isfinite(most), most, np.inf), axis=1)
        bends = _SPREAD * most[:, _NEXT]
        end = _end_rad(lens, size_px, values[:2, 0]) if rule.domain == "angle" else math.inf
        return cls(lens, size_px, rule, bends, end)

    def at(self, x: Floats, y: Floats, z: Floats, radius_m: float) -> tuple[Quantity, ...]:
        """Return columns and rows from the image's middle, and one less the cosine of the angle, or the depth.

        Args:
            x: (Z, R + 1, C + 1) like y and z: corners in the camera's frame, m.
            y: Downwards.
            z: Ahead.
            radius_m: Half the diagonal of a block.
        """
        lens = self.lens
        with np.errstate(all="ignore"):
            distance = np.sqrt(x * x + y * y + z * z)
            entered = lens.entering(x, y, z)
            u, v = lens.formula(*entered)
            fall = 1 - entered[2] / (distance if lens.windshield is None else 1.0)
            share = radius_m / least(distance)
            square = np.where(share < _WIDEST, 0.5 * (share / (1 - share)) ** 2, np.inf)
            bent = _COSINE * square if lens.windshield is None else _GLASS * share
            place = np.searchsorted(_FALLS, ends(fall)[1] + bent)
            pixels = [
                Quantity(each - (lens.pixel_centre + half), half, half, bend[place] * square + 2 * NEAR_PX)
                for each, half, bend in zip((u, v), self.size_px / 2, self.bends[:2], strict=True)
            ]
            if self.rule.domain == "formula":
                depth = lens.depth(*entered) / distance
                return (*pixels, self._depth(depth, least(distance), self.bends[2, place] * square))
        last = self.end_rad + 2 * NEAR_RAD
        outside = 1 - math.cos(last) if last < math.pi else math.inf
        return (*pixels, Quantity(fall, 1 - math.cos(max(0.0, lens.limit_rad - 2 * NEAR_RAD)), outside, bent))

    def _depth(self, share: Floats, distance: Floats, bend: Floats) -> Quantity:
        """Return the depth by share of the distance, taken from a number that is greater."""
        more = float(share.max())
        error = bend + self.rule.min_depth / distance / (1 - _WIDEST) + 2 * NEAR_DEPTH
        return Quantity(more - share, more, more, error)


_STEP = 1e-4
ANGLES = np.linspace(0.0, math.pi, 49)
"""Angles from the axis at which second derivatives are sampled, rad."""
_FALLS = 1 - np.cos(ANGLES)
_NEXT = [*range(1, len(ANGLES)), len(ANGLES) - 1, len(ANGLES) - 1]
"""The angle after each, and what no angle is up to."""


def _directions() -> Floats:
    """Return (3, 7, 4, A) points: four directions around the axis, and a step from each on six sides."""
    around = (np.arange(4) * (math.pi / 2))[:, None]
    sine, cosine = np.sin(ANGLES), np.cos(ANGLES)
    out = np.stack(np.broadcast_arrays(sine * np.cos(around), sine * np.sin(around), cosine))  # (3, 4, A)
    along = np.stack(np.broadcast_arrays(cosine * np.cos(around), cosine * np.sin(around), -sine))
    across = np.stack(np.broadcast_arrays(-np.sin(around), np.cos(around), 0 * cosine))
    steps = (0 * out, along, -along, across, -across, along + across, -along - across)
    return np.stack([out + _STEP * step for step in steps], axis=1)


_POINTS = _directions()
_DISTANCES = np.sqrt((_POINTS * _POINTS).sum(axis=0))


def _around(lens: Lens) -> Floats:
    """Return columns, rows and depth by distance (3, 7, 4, A) of directions around the axis."""
    with np.errstate(all="ignore"):
        entered = lens.entering(*_POINTS)
        return np.stack([*lens.formula(*entered), lens.depth(*entered) / _DISTANCES])


def _second_derivatives(values: Floats) -> Floats:
    """Return bounds (3, 4, A) on the norm of all second derivatives, from values (3, 7, 4, A).

    The norm is that of those across the ray, and of those along it, which follow from the first derivatives: moving a
    point along its ray changes nothing.
    """
    at, ahead, behind, left, right, first, last = (values[:, step] for step in range(7))
    square = _STEP * _STEP
    with np.errstate(all="ignore"):
        along, across = ahead + behind - 2 * at, left + right - 2 * at
        mixed = (first + last - 2 * at - along - across) / 2
        slopes = ((ahead - behind) ** 2 + (left - right) ** 2) * (square / 4)
        both = np.abs(along + across) / 2 + np.sqrt(((along - across) / 2) ** 2 + mixed**2)
        return np.asarray((both / 2 + np.sqrt((both / 2) ** 2 + slopes)) / square)


def _end_rad(lens: Lens, size_px: Ints, image: Floats) -> float:
    """Return an angle from which on nothing is seen: the limit, or a circle of directions around the whole image.

    Within the limit no two directions share a pixel, so that what is outside of a circle is outside of its image. The
    circle's image (2, 4, A) is nearly an ellipse, and half its shorter axis is the least singular value.
    """
    if not lens.IS_ROUND:
        return math.inf
    if lens.windshield is not None:
        return lens.limit_rad
    centre = lens.parameters["cx"], lens.parameters["cy"]
    corners = [
        math.hypot(u + lens.pixel_centre - centre[0], v + lens.pixel_centre - centre[1])
        for u in (0, size_px[0])
        for v in (0, size_px[1])
    ]
    (a, b), (c, d) = image[0, :2] - centre[0], image[1, :2] - centre[1]  # two directions, a right angle apart
    with np.errstate(all="ignore"):
        whole, area = a * a + b * b + c * c + d * d, 2 * np.abs(a * d - b * c)
        shorter = (np.sqrt(whole + area) - np.sqrt(np.maximum(whole - area, 0.0))) / 2
        around = (shorter > _OUTER * max(corners) + 2 * NEAR_PX) & (lens.limit_rad > ANGLES)
    return float(ANGLES[around].min(initial=lens.limit_rad))
