"""Count what a rig sees of a model's grid, ring by ring, and what is left of it when cameras are missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, without
from specialize.calibration.pose import Matrix
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError
from specialize.explain.plan import resolve_spec
from specialize.model.visible import visible_sets
from specialize.report.coverage import cells_m, places
from specialize.report.draw import top_view
from specialize.report.svg import Bools, Floats
from specialize.text.record import Record
from specialize.visibility.plan import VisibilityPlan

RINGS_M = (0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
"""Where rings around the vehicle begin."""
MOST_CAMERAS = 3
"""Cells that this many cameras see, or more, are counted together."""
MOST_CASES = 5_000


class Ring(Record, frozen=True, kw_only=True):
    """Cells between two distances from the vehicle's origin.

    Attributes:
        from_m: Least distance.
        to_m: Distance at which the next ring begins; null of the last ring.
        seen_by: Number of cells that 0, 1, 2, and 3 or more cameras see.
    """

    from_m: float
    to_m: float | None
    seen_by: tuple[int, ...]


class BlindPlace(Record, frozen=True, kw_only=True):
    """Blind cells that are together.

    Attributes:
        cells: How many.
        nearest_m: Distance of the nearest from the vehicle's origin.
        farthest_m: Distance of the farthest.
        side: On which side of the vehicle.
    """

    cells: int
    nearest_m: float
    farthest_m: float
    side: str


class Case(Record, frozen=True, kw_only=True):
    """What the rig sees when cameras are missing.

    Attributes:
        missing: The missing cameras; none of the rig as it is.
        pairs: Visible pairs of camera and query, which is what a build computes.
        seen_by: Number of cells that 0, 1, 2, and 3 or more cameras see.
        goes_blind: Number of cells that the rig as it is sees, and that no camera sees now.
        rings: The same ring by ring, empty rings left out.
        blind: Where blind cells are: all of the rig as it is, else those that go blind; the largest place first.
    """

    missing: tuple[str, ...]
    pairs: int
    seen_by: tuple[int, ...]
    goes_blind: int
    rings: tuple[Ring, ...]
    blind: tuple[BlindPlace, ...]


class GridCoverage(Record, frozen=True, kw_only=True):
    """What is seen of one grid of the model.

    Attributes:
        cells: Number of cells on the ground; of voxels one is seen if it is at any height.
        dense_pairs: Pairs of camera and query that the zero-padded form computes.
        cases: The rig as it is, then with cameras missing.
    """

    cells: int
    dense_pairs: int
    cases: tuple[Case, ...]


class Coverage(Record, frozen=True, kw_only=True):
    """`specialize profile coverage --json`.

    Attributes:
        model: Name of the model.
        vehicle: Name of the vehicle.
        profile: Digest of the calibration.
        off: Cameras that are off in every case.
        grids: One entry per grid of the model that shows the ground.
    """

    model: str
    vehicle: str
    profile: str
    off: tuple[str, ...]
    grids: tuple[GridCoverage, ...]


def coverage(
    calib: Path, model: str, model_spec: Path | None = None, off: tuple[str, ...] = (), missing: int = 1
) -> Coverage:
    """Return what a vehicle's cameras see of a model's grids, and what is left with up to `missing` fewer.

    Raises:
        InputError: Profile or sidecar are wrong, or the sidecar names no grid that shows the ground.
        UsageError: There is no such built-in model or camera, or there are too many cases.
    """
    profile, spec = without(load_profile(calib), off), resolve_spec(model, model_spec)
    plans = [plan for plan in visible_sets(spec, profile) if {"x", "y"} <= set(plan.grid.axes_order)]
    if not plans:
        hint = (
            "name a model that attends to queries on the ground with --model, or add `grids:` to the sidecar"
        )
        raise InputError(spec.name, "a grid that shows the ground in its sidecar", "none", hint)
    cases = tuple(_cases(profile, missing))
    return Coverage(
        model=spec.name,
        vehicle=profile.vehicle,
        profile=profile.digest,
        off=cameras_off(profile),
        grids=tuple(_of_grid(plan, profile, cases) for plan in plans),
    )


def _cases(profile: CalibrationProfile, missing: int) -> Iterator[tuple[int, ...]]:
    """Yield which cameras are missing, by number; one at least is left.

    Raises:
        UsageError: There are too many cases.
    """
    off = cameras_off(profile)
    working = [index for index, name in enumerate(profile.camera_names()) if name not in off]
    count = 0
    for number in range(min(missing, len(working) - 1) + 1):
        for case in combinations(working, number):
            count += 1
            if count > MOST_CASES:
                raise UsageError(
                    "--missing", f"at most {MOST_CASES:,} cases", f"more, with {missing} cameras missing"
                )
            yield case


def _of_grid(
    plan: VisibilityPlan, profile: CalibrationProfile, cases: tuple[tuple[int, ...], ...]
) -> GridCoverage:
    seen = top_view(plan.seen, plan.grid.shape, plan.grid.order)  # (N, H, W)
    distance_m = _distance_m(plan, profile.ego_from_lidar)
    whole = seen.any(axis=0)
    names = profile.camera_names()
    found = []
    for missing in cases:
        left = [index for index in range(len(seen)) if index not in missing]
        count = seen[left].sum(axis=0)  # (H, W)
        blind = (count == 0) & whole if missing else count == 0
        found.append(
            Case(
                missing=tuple(names[index] for index in missing),
                pairs=int(plan.seen[left].sum()),
                seen_by=_seen_by(count),
                goes_blind=int(blind.sum()) if missing else 0,
                rings=tuple(_rings(count, distance_m)),
                blind=_blind(blind, plan, profile.ego_from_lidar),
            )
        )
    return GridCoverage(cells=whole.size, dense_pairs=plan.seen.size, cases=tuple(found))


def _distance_m(plan: VisibilityPlan, ego_from_lidar: Matrix | None) -> Floats:
    """Return (H, W), how far cells are from the vehicle's origin; from the lidar's if its pose is unknown."""
    at = cells_m(plan, ego_from_lidar)
    return np.asarray(np.hypot(at[..., 0], at[..., 1]))


def _rings(count: Floats, distance_m: Floats) -> Iterator[Ring]:
    for start, end in zip(RINGS_M, (*RINGS_M[1:], None), strict=True):
        inside = distance_m >= start if end is None else (distance_m >= start) & (distance_m < end)
        if inside.any():
            yield Ring(from_m=start, to_m=end, seen_by=_seen_by(count[inside]))


def _seen_by(count: Floats) -> tuple[int, ...]:
    counts = np.bincount(np.minimum(count, MOST_CAMERAS).ravel(), minlength=MOST_CAMERAS + 1)
    return tuple(int(number) for number in counts)


def _blind(mask: Bools, plan: VisibilityPlan, ego_from_lidar: Matrix | None) -> tuple[BlindPlace, ...]:
    return tuple(
        BlindPlace(
            cells=place.cells,
            nearest_m=round(place.nearest_m, 3),
            farthest_m=round(place.farthest_m, 3),
            side=place.side,
        )
        for place in places(mask, plan, ego_from_lidar)
    )
