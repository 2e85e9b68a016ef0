"""Compute how far each camera may still turn or shift before it can see anything outside an envelope.

From `pyramid` (for lenses from `curved`, with angles): a camera turned by rho may see a point at distance |x| that is
D outside the worst of its half-spaces only if `D <= |x| sin(rho)`, and a camera displaced by tau only if `D <= tau`. So
the least asin(D / |x|) and the least D over all points outside the envelope are certified, in closed form. Each holds
alone: a camera may turn by the one or shift by the other, not both at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from specialize.errors import InputError
from specialize.visibility.grid import Bools, Floats
from specialize.visibility.plan import VisibilityPlan


@dataclass(frozen=True, slots=True)
class Headroom:
    """What one camera may still move, rotation alone or translation alone.

    Attributes:
        rotation_rad: Largest certified rotation about the camera's centre; pi if the envelope is everything.
        translation_m: Largest certified displacement of the centre; infinite if the envelope is everything.
        outside: Queries that the camera sees, or may see by rounding, outside the envelope already.
    """

    rotation_rad: float
    translation_m: float
    outside: int


def headroom(plan: VisibilityPlan, envelope: Bools) -> tuple[Headroom, ...]:
    """Return the headroom of each camera of a plan in an envelope (N, Q).

    Raises:
        InputError: The envelope is for other cameras or another grid.
    """
    if envelope.shape != plan.seen.shape:
        raise InputError("envelope", f"an array {plan.seen.shape}", str(envelope.shape))
    points = plan.grid.points()  # (Q, D, 3)
    outside = (plan.superset & ~envelope).sum(axis=1)
    return tuple(
        _of_camera(plan, index, points[~kept], int(outside[index])) for index, kept in enumerate(envelope)
    )


def _of_camera(plan: VisibilityPlan, index: int, points: Floats, outside: int) -> Headroom:
    """Return the headroom of one camera, given the points (K, D, 3) of the queries outside its envelope."""
    if outside or not len(points):
        return Headroom(0.0, 0.0, outside) if outside else Headroom(math.pi, math.inf, 0)
    room = plan.projection.room(index, points, plan.grid, plan.rule)
    return Headroom(room.rotation_rad, room.translation_m, 0)
