"""Certify envelopes: supersets of the visible pairs that hold for every calibration within stated bounds.

They are certified, not sampled; `pyramid` has the proof for one camera that is turned by at most rho and displaced by
at most tau. What remains is how a vehicle's tolerance becomes these two numbers.

**Ego motion.** `lidar2img` with motion compensation takes points at the lidar's time to an image exposed at
most sigma seconds before or after. Meanwhile the vehicle's origin moves by d with |d| <= speed sigma, and
the vehicle turns by R of angle at most psi = rate sigma, about any axis. A point p in the vehicle's frame at
the lidar's time is R (p - d) in the frame at exposure. A camera at c with axes A sees it at

    A (R (p - d) - c) = (A R A^-1) A (p - c - t)      with t = d + R^-1 c - c

So rho grows by psi, and tau by |t| <= speed sigma + 2 sin(psi / 2) |c|, where |c| itself may be larger by the
translation that the tolerance allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.tolerance import Tolerance
from specialize.errors import InputError
from specialize.visibility.grid import Bools, Floats, QueryGrid, VisibilityRule
from specialize.visibility.plan import DEFAULT_RULE, VisibilityPlan, plan_visibility
from specialize.visibility.pyramid import Deviation, camera_centre


def certified_superset(
    image_from_lidar: Floats,
    size_px: npt.ArrayLike,
    grid: QueryGrid,
    allowed: Sequence[Deviation],
    rule: VisibilityRule = DEFAULT_RULE,
) -> Bools:
    """Return (N, Q): every pair that a graph may see with any calibration within the bounds.

    Args:
        image_from_lidar: (N, 4, 4) float64, nominal, lidar frame (metres) to network pixels.
        size_px: (N, 2), width and height of the network's images.
        grid: The queries.
        allowed: One deviation per camera, as `deviations` gives them.
        rule: When a point is seen.

    Raises:
        InputError: A matrix has no camera centre, or the numbers of cameras differ.
    """
    return superset_within(plan_visibility(image_from_lidar, size_px, grid, rule), allowed)


def superset_within(nominal: VisibilityPlan, allowed: Sequence[Deviation]) -> Bools:
    """Return (N, Q): every pair that a graph may see with any calibration within the bounds around a plan's.

    Raises:
        InputError: A matrix has no camera centre, or the numbers of cameras differ.
    """
    if len(allowed) != len(nominal.seen):
        raise InputError("tolerance", f"one deviation per camera ({len(nominal.seen)})", str(len(allowed)))
    kept = nominal.superset
    for index, deviation in enumerate(allowed):
        reached = nominal.projection.reached(index, deviation, nominal.grid, nominal.rule)
        kept[index] |= nominal.grid.by_query(reached).any(axis=-1)
    return kept


def envelope_over(
    calibrations: Iterable[Floats],
    size_px: npt.ArrayLike,
    grid: QueryGrid,
    rule: VisibilityRule = DEFAULT_RULE,
) -> Bools:
    """Return (N, Q): every pair that a graph may see with any of these calibrations; no promise beyond.

    Args:
        calibrations: At least one (N, 4, 4) float64, lidar frame (metres) to network pixels.
        size_px: (N, 2), width and height of the network's images.
        grid: The queries.
        rule: When a point is seen.

    Raises:
        InputError: There is no calibration, or the numbers of cameras differ.
    """
    supersets = [plan_visibility(matrices, size_px, grid, rule).superset for matrices in calibrations]
    if not supersets:
        raise InputError("envelope", "at least one calibration", "none")
    return np.asarray(np.logical_or.reduce(supersets))


def deviations(
    profile: CalibrationProfile,
    network_per_raw_px: npt.ArrayLike = 1.0,
    tolerance: Tolerance | None = None,
) -> tuple[Deviation, ...]:
    """Return the deviation of each camera that a tolerance allows.

    Args:
        profile: The vehicle. Its motion is that of its origin; of the lidar if `ego_from_lidar` is unknown.
        network_per_raw_px: Scale of the image preparation, one number or one per camera.
        tolerance: For all cameras; None takes each camera's own. The time between lidar and exposure is
            at most `|time_offset_s| + time_skew_s`.
    """
    scales = np.broadcast_to(np.asarray(network_per_raw_px, np.float64), len(profile.cameras))
    ego_from_lidar = np.eye(4) if profile.ego_from_lidar is None else profile.ego_from_lidar
    found = []
    for camera, scale in zip(profile.cameras, scales, strict=True):
        centre = ego_from_lidar @ np.append(camera_centre(camera.image_from_lidar), 1.0)
        bounds = camera.tolerance if tolerance is None else tolerance
        seconds = abs(camera.time_offset_s) + bounds.time_skew_s
        found.append(deviation_of(bounds, float(scale), float(np.linalg.norm(centre[:3])), seconds))
    return tuple(found)


def deviation_of(bounds: Tolerance, network_per_raw_px: float, lever_m: float, seconds: float) -> Deviation:
    """Return what a tolerance allows one camera; see the module's proof.

    Args:
        bounds: The tolerance.
        network_per_raw_px: Scale of the image preparation.
        lever_m: Distance of the camera from the vehicle's origin.
        seconds: Longest time between lidar and exposure.
    """
    turn = min(math.radians(bounds.yaw_rate_degps) * seconds, math.pi)
    swing = 2 * math.sin(turn / 2) * (lever_m + bounds.translation_m)
    return Deviation(
        rotation_rad=math.radians(bounds.rotation_deg) + turn,
        translation_m=bounds.translation_m + bounds.ego_speed_mps * seconds + swing,
        focal_ratio=bounds.focal_percent / 100,
        principal_point_px=bounds.principal_point_px * network_per_raw_px,
    )
