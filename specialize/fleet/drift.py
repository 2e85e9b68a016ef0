"""How a fleet has moved since an earlier state of it: who was recalibrated, by how much, and which mounts creep.

A camera creeps if its recalibrations move it the same way on many vehicles. Each of six quantities is judged by the
Wilcoxon signed-rank test over the vehicles of one kind that were recalibrated; a trend is stated where chance alone
gives such a movement, in any of the quantities of any camera, with a probability below `SIGNIFICANCE`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
from scipy import stats

from specialize.errors import InputError
from specialize.fleet.footprint import Ints
from specialize.fleet.grouping import require_names_once
from specialize.fleet.grown import Grown
from specialize.fleet.load import Failed, fleet_files
from specialize.fleet.measuring import Part, measured_fleet, read_chunk
from specialize.fleet.median import CONJUGATE, POSE, Floats, quaternion_product, rotation_vectors
from specialize.fleet.sampling import crew_of
from specialize.fleet.survey import chunks_of
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


def fleet_drift(
    fleet: Path, since: Path, jobs: int | None = None, say: Say = quiet, executor: Executor | None = None
) -> FleetDrift:
    """Compare every vehicle of a fleet with itself in an earlier state of the fleet; vehicles go by their names.

    Args:
        fleet: The fleet today.
        since: The earlier state.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        say: Is told what is being done.
        executor: Where vehicles are read, instead of processes of this machine.

    Raises:
        InputError: A fleet has no profile that can be used, or two of one vehicle.
        UsageError: A fleet is a table, and pyarrow is not installed.
    """
    start = time.perf_counter()
    earlier, files = fleet_files(since), fleet_files(fleet)
    with crew_of(max(earlier, files, key=len), jobs, executor) as crew:
        say(f"reading {since}")
        before = measured_fleet(earlier, crew, width=POSE)
        if not before.parts:
            raise _nothing(since, before.failed)
        say(f"comparing {fleet} with it")
        found, failed = _Compared(before.parts), list(before.failed)
        places, names = Grown(), Grown()
        for read in crew.in_order(chunks_of(files), read_chunk):
            failed += read.failed
            for part in read.parts:
                places.add(part.places)
                names.add(part.names)
                found.add(part, files)
    if not len(names):
        raise _nothing(fleet, failed)
    require_names_once([(places.whole(), names.whole())], files)
    return FleetDrift(
        fleet=fleet,
        since=since,
        unchanged=found.unchanged,
        recalibrated=tuple(sorted(found.recalibrated, key=_farthest)),
        added=tuple(sorted(found.added)),
        gone=tuple(sorted(found.left)),
        other_cameras=tuple(sorted(found.other_cameras)),
        trends=_trends(found.moves),
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


def _nothing(fleet: Path, failed: Sequence[Failed]) -> InputError:
    return InputError(str(fleet), "a profile that can be used", "none", failed[-1].reason)


class _Compared:
    """What became of each vehicle so far; `left` has those of the earlier state that have not come."""

    def __init__(self, before: Sequence[Part]) -> None:
        self.before = before
        names = (name for part in before for name in part.names)
        self.left = {name: number for number, name in enumerate(names)}
        self.digests = np.concatenate([part.digests for part in before])
        self.starts = np.cumsum([0, *(len(part.places) for part in before)])
        self.unchanged = 0
        self.recalibrated: list[Recalibrated] = []
        self.added: list[str] = []
        self.other_cameras: list[str] = []
        self.moves: dict[tuple[str, ...], list[Floats]] = {}

    def add(self, today: Part, files: Sequence[Path]) -> None:
        """Compare vehicles with their earlier state."""
        numbers = np.array([self.left.pop(name, -1) for name in today.names])
        self.added += today.names[numbers < 0].tolist()
        changed = (self.digests[numbers] != today.digests).any(axis=1) & (numbers >= 0)
        self.unchanged += int(((numbers >= 0) & ~changed).sum())
        earlier = np.searchsorted(self.starts, numbers, side="right") - 1  # which part each was in
        same = [index for index, part in enumerate(self.before) if part.shape == today.shape]
        comparable = changed & np.isin(earlier, same)
        self.other_cameras += today.names[changed & ~comparable].tolist()
        rows = np.flatnonzero(comparable)
        if len(rows):
            poses = self.before[same[0]].values[numbers[rows] - self.starts[same[0]]]
            self._recalibrated(today, rows, moves_of(poses, today.values[rows, :, :POSE]), files)

    def _recalibrated(self, today: Part, rows: Ints, moves: Floats, files: Sequence[Path]) -> None:
        cameras = tuple(name for name, *_ in today.shape)
        self.moves.setdefault(cameras, []).append(moves)
        for row, moved in zip(rows.tolist(), moves, strict=True):
            path = files[int(today.places[row])]
            self.recalibrated.append(
                Recalibrated(vehicle=today.names[row], path=path, cameras=_moved(cameras, moved))
            )


def moves_of(before: Floats, today: Floats) -> Floats:
    """Return (V, N, 6), the columns of `QUANTITIES`, from poses (V, N, 7)."""
    turned, turns = before[..., :4].reshape(-1, 4), today[..., :4].reshape(-1, 4)  # (V N, 4)
    vectors = rotation_vectors(quaternion_product(turned, turns * CONJUGATE))
    vectors[(turned == turns).all(axis=1)] = 0.0  # the product leaves rounding, which is no movement
    shifts = today[..., 4:] - before[..., 4:]
    return np.asarray(1e3 * np.concatenate([vectors.reshape(shifts.shape), shifts], axis=-1))


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
        values = np.concatenate(vehicles)  # (V, N, 6)
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
