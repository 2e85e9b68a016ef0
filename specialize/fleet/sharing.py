"""What a planned build costs each vehicle, and how far its cameras may move until the next one is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.fleet.builds import CameraRoom
from specialize.fleet.clustering import Limit
from specialize.fleet.footprint import WORD, Cover, Footprint, Ints, Survey
from specialize.fleet.load import Failed, over_profiles
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.request import Mode
from specialize.visibility.envelope import certified_superset
from specialize.visibility.headroom import headroom
from specialize.visibility.pyramid import Deviation

# The room of an envelope is looked up for at most this many vehicles, evenly spread: it takes 0.1 s for each.
SAMPLED = 16
# Where the search for the room of tables ends: ten degrees, one metre, to one part in a thousand of these.
LARGEST_RAD, LARGEST_M, BISECTIONS = math.radians(10), 1.0, 10


def what_each_adds(
    mode: Mode, footprints: Sequence[Footprint], limit: Limit, survey: Survey, jobs: int | None
) -> tuple[list[int], Cover | None]:
    """Return the rows that each vehicle adds to those before it, and the joint cover, if covers are shared."""
    if mode == "exact":
        return [int(limit.packing.rows(footprints[0].own)), *[0] * (len(footprints) - 1)], None
    joint: Cover | None = None
    adds, rows = [], 0
    covers = (one.reach for one in footprints) if mode == "tables" else _bits(footprints, survey, jobs)
    for cover in covers:
        joint = cover if joint is None else limit.space.join(joint, cover)
        adds.append(limit.rows(joint) - rows)
        rows += adds[-1]
    return adds, joint


def _bits(footprints: Sequence[Footprint], survey: Survey, jobs: int | None) -> Iterator[Cover]:
    """Yield the pairs of each vehicle once more: keeping them all would fill the memory."""
    known = [one.vehicle for one in footprints]
    paths = [vehicle.path for vehicle in known]
    for before, again in zip(known, over_profiles(paths, survey, jobs), strict=True):
        if isinstance(again, Failed) or again.vehicle.profile != before.profile or again.bits is None:
            raise InputError(str(before.path), "the same profile while the plan is made", "another one")
        yield again.bits


def tables_room(footprints: Sequence[Footprint], capacity: Ints, spec: ModelSpec) -> tuple[CameraRoom, ...]:
    """Return how much each camera of the vehicle that needs most of it may still gain, turn or shift.

    Turns and shifts are certified: no calibration within them sees more queries than the capacity.
    """
    reach = np.array([one.reach for one in footprints])  # (V, G, N)
    spare = (capacity - reach).min(axis=1)  # (V, N)
    neediest = spare.argmin(axis=0)
    room = []
    for index, name in enumerate(footprints[0].cameras):
        path, left = footprints[neediest[index]].vehicle.path, int(spare[neediest[index], index])
        turn, shift = _certain(load_profile(path), index, capacity[:, index], spec) if left else (0.0, 0.0)
        room.append(
            CameraRoom(
                camera=name,
                rotation_mrad=_thousandths(turn),
                translation_mm=_thousandths(shift),
                queries=left,
            )
        )
    return tuple(room)


def _certain(
    profile: CalibrationProfile, camera: int, capacity: Ints, spec: ModelSpec
) -> tuple[float, float]:
    """Return the largest rotation (rad) and translation (m) found for which a camera surely fits its capacity."""
    one = slice(camera, camera + 1)
    matrix, size = spec.network_from_lidar(profile)[one], spec.sizes_px(camera + 1)[one]
    rule = spec.visibility_rule()

    def fits(deviation: Deviation) -> bool:
        return all(
            certified_superset(matrix, size, grid.grid(), [deviation], rule).sum() <= most
            for grid, most in zip(spec.grids, capacity, strict=True)
        )

    turn = _largest(lambda value: fits(Deviation(rotation_rad=value)), LARGEST_RAD)
    shift = _largest(lambda value: fits(Deviation(translation_m=value)), LARGEST_M)
    return turn, shift


def _largest(fits: Callable[[float], bool], most: float) -> float:
    """Return a value up to `most` that fits, by bisection; 0 always does."""
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def envelope_room(
    footprints: Sequence[Footprint], cover: Cover, spec: ModelSpec, sample: int, jobs: int | None
) -> tuple[tuple[CameraRoom, ...], int]:
    """Return the least headroom of each camera over a sample of the vehicles, and the sample's size."""
    paths = [one.vehicle.path for one in footprints[:: -(-len(footprints) // sample)]]
    found = [one for one in over_profiles(paths, _Room(spec, cover), jobs) if not isinstance(one, Failed)]
    least = np.min(found, axis=0)  # (N, 2): rad, m
    room = tuple(
        CameraRoom(
            camera=name, rotation_mrad=_thousandths(turn), translation_mm=_thousandths(shift), queries=None,
        )
        for name, (turn, shift) in zip(footprints[0].cameras, least, strict=True)
    )  # fmt: skip
    return room, len(paths)


@dataclass(frozen=True, slots=True, eq=False)
class _Room:
    """Finds a vehicle's headroom in an envelope; runs in other processes."""

    spec: ModelSpec
    cover: Cover

    def __call__(self, path: Path, profile: CalibrationProfile) -> NDArray[np.float64]:
        """Return (N, 2): rotation in rad and translation in m, the least over the grids."""
        rooms = []
        for plan, envelope in zip(
            visible_sets(self.spec, profile), unpack(self.cover, self.spec), strict=True
        ):
            rooms.append([(one.rotation_rad, one.translation_m) for one in headroom(plan, envelope)])
        return np.asarray(np.min(rooms, axis=0))


def _thousandths(value: float) -> float | None:
    """Return rad as mrad, or m as mm; None if there is no finite number."""
    return round(1e3 * float(value), 4) if math.isfinite(value) else None


def unpack(cover: Cover, spec: ModelSpec) -> list[NDArray[np.bool_]]:
    """Return the pairs (N, Q) of each grid from a cover of `EnvelopeSpace`."""
    found, start = [], 0
    for grid in spec.grids:
        queries = grid.grid().queries
        words = -(-queries // WORD)
        part = np.ascontiguousarray(cover[:, start : start + words]).view(np.uint8)
        found.append(np.unpackbits(part, axis=1, count=queries).astype(bool))
        start += words
    return found
