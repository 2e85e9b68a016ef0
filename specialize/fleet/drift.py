"""How a fleet has moved since an earlier state of it: who was recalibrated, by how much, and which mounts creep.

A camera creeps if its recalibrations move it the same way on many vehicles. Each of six quantities is judged by the
Wilcoxon signed-rank test over the vehicles of one kind that were recalibrated; a trend is stated where chance alone
gives such a movement, in any of the quantities of any camera, with a probability below `SIGNIFICANCE`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.fleet.load import Failed, each_once, fleet_files, over_profiles
from specialize.fleet.median import (
    CONJUGATE,
    POSE,
    Floats,
    Shape,
    measure,
    quaternion_product,
    rotation_vectors,
)
from specialize.text.progress import Say, quiet
from specialize.text.record import Record

SIGNIFICANCE = 0.01
QUANTITIES = ("pitch_mrad", "yaw_mrad", "roll_mrad", "x_mm", "y_mm", "z_mm")
"""Turns of the camera about its own axes: up, to the right, clockwise; its shift along the axes of the lidar."""


class DriftedCamera(Record, frozen=True, kw_only=True):
    """A camera whose calibration changed.

    Attributes:
        camera: Its name.
        turned_mrad: Angle between both orientations.
        shifted_mm: Distance between both centres.
    """

    camera: str
    turned_mrad: float
    shifted_mm: float


class Recalibrated(Record, frozen=True, kw_only=True):
    """A vehicle whose calibration changed.

    Attributes:
        vehicle: Its name.
        path: Its profile today.
        cameras: Those that turned or shifted, the one that turned farthest first; none if other numbers changed.
    """

    vehicle: str
    path: Path
    cameras: tuple[DriftedCamera, ...]


class Trend(Record, frozen=True, kw_only=True):
    """A camera that moves the same way on many vehicles.

    Attributes:
        camera: Its name.
        quantity: What moves; one of pitch_mrad, yaw_mrad, roll_mrad (up, right, clockwise; about the camera's own
            axes), x_mm, y_mm, z_mm (along the axes of the lidar).
        median: Median of that movement.
        vehicles: Recalibrated vehicles with these cameras.
        same_way: Those of them that moved in the direction of the median.
        p_value: Probability of such a movement by chance.
    """

    camera: str
    quantity: str
    median: float
    vehicles: int
    same_way: int
    p_value: float


class FleetDrift(Record, frozen=True, kw_only=True):
    """`specialize fleet diff --since --json`.

    Attributes:
        fleet: The fleet today.
        since: The earlier state.
        unchanged: Vehicles with the same calibration.
        recalibrated: Vehicles with another one, the one whose camera turned farthest first.
        added: Vehicles that were not there.
        gone: Vehicles that are not there any more.
        other_cameras: Vehicles whose cameras have other names, sizes or lenses, and cannot be compared.
        trends: Movements that are no chance, the surest first.
        failed: Profiles of either state that could not be used.
        seconds: Wall time.
    """

    fleet: Path
    since: Path
    unchanged: int
    recalibrated: tuple[Recalibrated, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    other_cameras: tuple[str, ...]
    trends: tuple[Trend, ...]
    failed: tuple[Failed, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """One vehicle in one state of the fleet; `poses` (N, 7) as in `Measured`."""

    vehicle: str
    path: Path
    digest: str
    shape: Shape
    poses: Floats


@dataclass(frozen=True, slots=True)
class _Measure:
    """Reads a vehicle as numbers; runs in other processes."""

    def __call__(self, path: Path, profile: CalibrationProfile) -> _State:
        measured = measure(profile)
        poses = measured.values[:, :POSE].copy()
        return _State(profile.vehicle, path, profile.digest, measured.shape, poses)


def fleet_drift(fleet: Path, since: Path, jobs: int | None = None, say: Say = quiet) -> FleetDrift:
    """Compare every vehicle of a fleet with itself in an earlier state of the fleet; vehicles go by their names.

    Raises:
        InputError: A fleet has no profile that can be used, or two of one vehicle.
        UsageError: A fleet is a table, and pyarrow is not installed.
    """
    start = time.perf_counter()
    failed: list[Failed] = []
    say(f"reading {since}")
    before = {one.vehicle: one for one in _states(since, failed, jobs)}
    say(f"comparing {fleet} with it")
    found = _Compared()
    for one in _states(fleet, failed, jobs):
        found.add(before.pop(one.vehicle, None), one)
    return FleetDrift(
        fleet=fleet,
        since=since,
        unchanged=found.unchanged,
        recalibrated=tuple(sorted(found.recalibrated, key=_farthest)),
        added=tuple(sorted(found.added)),
        gone=tuple(sorted(before)),
        other_cameras=tuple(sorted(found.other_cameras)),
        trends=_trends(found.moves),
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


class _Compared:
    """What became of each vehicle so far."""

    def __init__(self) -> None:
        self.unchanged = 0
        self.recalibrated: list[Recalibrated] = []
        self.added: list[str] = []
        self.other_cameras: list[str] = []
        self.moves: dict[tuple[str, ...], list[Floats]] = {}

    def add(self, before: _State | None, today: _State) -> None:
        """Compare a vehicle with its earlier state."""
        if before is None:
            self.added.append(today.vehicle)
        elif before.digest == today.digest:
            self.unchanged += 1
        elif before.shape != today.shape:
            self.other_cameras.append(today.vehicle)
        else:
            names = tuple(name for name, *_ in today.shape)
            moves = _moves(before.poses, today.poses)
            self.moves.setdefault(names, []).append(moves)
            self.recalibrated.append(
                Recalibrated(vehicle=today.vehicle, path=today.path, cameras=_moved(names, moves))
            )


def _states(fleet: Path, failed: list[Failed], jobs: int | None) -> Iterator[_State]:
    """Yield the vehicles of a fleet; profiles that cannot be used are added to `failed`."""
    count = 0
    found = over_profiles(fleet_files(fleet), _Measure(), jobs)
    for one in each_once(found, failed, lambda state: (state.vehicle, state.path)):
        count += 1
        yield one
    if not count:
        raise InputError(str(fleet), "a profile that can be used", "none", failed[-1].reason)


def _moves(before: Floats, today: Floats) -> Floats:
    """Return (N, 6), the columns of `QUANTITIES`, from poses (N, 7)."""
    turns = rotation_vectors(quaternion_product(before[:, :4], today[:, :4] * CONJUGATE))
    turns[(before[:, :4] == today[:, :4]).all(axis=1)] = (
        0.0  # the product leaves rounding, which is no movement
    )
    return 1e3 * np.concatenate([turns, today[:, 4:] - before[:, 4:]], axis=1)


def _moved(names: Sequence[str], moves: Floats) -> tuple[DriftedCamera, ...]:
    cameras = [
        DriftedCamera(
            camera=name,
            turned_mrad=round(float(np.linalg.norm(row[:3])), 4),
            shifted_mm=round(float(np.linalg.norm(row[3:])), 4),
        )
        for name, row in zip(names, moves, strict=True)
        if row.any()
    ]
    return tuple(sorted(cameras, key=lambda one: (-one.turned_mrad, -one.shifted_mm)))


def _farthest(one: Recalibrated) -> tuple[float, float, str]:
    first = one.cameras[0] if one.cameras else DriftedCamera(camera="", turned_mrad=0, shifted_mm=0)
    return -first.turned_mrad, -first.shifted_mm, one.vehicle


def _trends(moves: Mapping[tuple[str, ...], Sequence[Floats]]) -> tuple[Trend, ...]:
    """Return the movements that are no chance, by the names of the cameras that vehicles have."""
    tests = sum(len(names) * len(QUANTITIES) for names in moves)
    found = []
    for names, vehicles in moves.items():
        values = np.stack(vehicles)  # (V, N, 6)
        for camera, name in enumerate(names):
            for place, quantity in enumerate(QUANTITIES):
                trend = _trend(name, quantity, values[:, camera, place])
                if trend is not None and trend.p_value * tests < SIGNIFICANCE:
                    found.append(trend)
    return tuple(sorted(found, key=lambda one: (one.p_value, one.camera, one.quantity)))


def _trend(camera: str, quantity: str, values: Floats) -> Trend | None:
    """Return how a quantity (V,) moves, with the probability of that by chance; None if it does not."""
    moved = values[values != 0]
    if not len(moved):
        return None
    median = float(np.median(values))
    return Trend(
        camera=camera,
        quantity=quantity,
        median=median,
        vehicles=len(values),
        same_way=int((np.sign(values) == np.sign(median)).sum()),
        p_value=float(stats.wilcoxon(moved).pvalue),
    )
