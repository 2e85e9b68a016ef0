"""What a planned build costs each vehicle, and how far its cameras may move until the next one is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.fleet.builds import CameraRoom
from specialize.fleet.clustering import Limit, Steps
from specialize.fleet.footprint import WORD, Admission, Cover, Ints, Packing, Survey
from specialize.fleet.footprints import PROFILE, Footprints, Members
from specialize.fleet.grouping import Group
from specialize.fleet.load import Failed, over_profiles
from specialize.fleet.sampling import Crew
from specialize.fleet.survey import SurveyChunk, chunks_of
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.plausibility.fit import ALL_RULES
from specialize.visibility.envelope import certified_superset
from specialize.visibility.headroom import headroom
from specialize.visibility.pyramid import Deviation

# The room of an envelope is looked up for at most this many vehicles, evenly spread: it takes 0.1 s for each.
SAMPLED = 16
AT_ONCE = 1 << 14
"""Vehicles that are counted together, so that a million take no more memory than their columns."""
# Where the search for the room of tables ends: ten degrees, one metre, to one part in a thousand of these.
LARGEST_RAD, LARGEST_M, BISECTIONS = math.radians(10), 1.0, 10


def own_rows(found: Footprints, rows: Ints, packing: Packing) -> Ints:
    """Return what the own exact build of each of some vehicles (M,) would compute."""
    return np.concatenate([packing.rows(found.own[part].astype(np.int64)) for part in _parts(rows)])


def added(found: Footprints, group: Group, limit: Limit) -> Ints:
    """Return the rows (M,) that each vehicle of a group adds to those before it.

    Args:
        found: The vehicles with these cameras.
        group: The group.
        limit: What it keeps.
    """
    if group.mode == "tables":
        return _added_to_tables(found, group.rows, limit)
    adds = np.zeros(len(group.rows), np.int64)
    if group.mode == "exact":
        adds[0] = limit.packing.rows(found.own[group.rows[0]].astype(np.int64))
        return adds
    assert group.steps is not None, "an envelope is weighed first"
    rows = found.rows_of([place for place, _ in group.steps])
    adds[np.searchsorted(group.rows, rows)] = [more for _, more in group.steps]
    return adds


def _added_to_tables(found: Footprints, rows: Ints, limit: Limit) -> Ints:
    """Return the rows (M,) by which each vehicle makes a capacity grow; only one part at a time is in memory."""
    adds, most, before = [], np.zeros(found.reach.shape[1:], np.int64), 0
    for part in _parts(rows):
        joint = np.maximum(np.maximum.accumulate(found.reach[part].astype(np.int64), axis=0), most)
        total = limit.packing.rows(limit.space.visible(joint))
        adds.append(np.diff(total, prepend=before))
        most, before = joint[-1], total[-1]
    return np.concatenate(adds)


def _parts(rows: Ints) -> list[Ints]:
    """Return some rows in parts of `AT_ONCE`."""
    return np.split(rows, range(AT_ONCE, len(rows), AT_ONCE))


def steps_of(
    groups: Sequence[tuple[Footprints, Group]],
    limit: Limit,
    files: Sequence[Path],
    survey: Survey,
    crew: Crew,
) -> list[Steps]:
    """Return for groups of several cells who makes the joint cover grow, and by how much, after one more look at all.

    Keeping the pairs of all vehicles would fill the memory.

    Raises:
        InputError: A profile changed while the plan was made.
    """
    group_of = np.full(len(files), -1)
    for number, (found, group) in enumerate(groups):
        places = found.places[group.rows]
        group_of[places[places < len(files)]] = number
    chunks = [
        chunk for chunk in chunks_of(files) if (group_of[chunk.start : chunk.start + chunk.length] >= 0).any()
    ]
    joint: list[Cover | None] = [None] * len(groups)
    steps: list[Steps] = [[] for _ in groups]
    for again in crew.in_order(chunks, SurveyChunk(Admission(survey, tuple(ALL_RULES)))):
        for part in again.parts:
            numbers = group_of[part.footprints.places]
            for number in np.unique(numbers[numbers >= 0]):
                which = np.flatnonzero(numbers == number)
                _require_same(groups[number][0], part.footprints.some(which), files)
                assert part.bits is not None
                joint[number] = _grown(
                    joint[number], part.footprints.places[which], part.bits[which], limit, steps[number]
                )
    for (found, group), one in zip(groups, joint, strict=True):
        if one is None or group.cover is None or not np.array_equal(one, group.cover):
            path = str(files[int(found.places[group.rows[0]])])
            raise InputError(path, "the same profiles while the plan is made", "others")
    return steps


def _grown(joint: Cover | None, places: Ints, covers: Cover, limit: Limit, steps: Steps) -> Cover:
    """Return a cover with further ones (V, ...), and add to the steps who made it grow."""
    whole = np.zeros_like(covers[0]) if joint is None else joint
    for index in np.flatnonzero(~limit.space.holds(whole, covers)):
        grown = limit.space.join(whole, covers[index])
        more = limit.rows(grown) - limit.rows(whole)
        if more:
            steps.append((int(places[index]), more))
        whole = grown
    return whole


def _require_same(before: Footprints, again: Footprints, files: Sequence[Path]) -> None:
    same = before.digests[before.rows_of(again.places), PROFILE] == again.digests[:, PROFILE]
    if not same.all():
        changed = files[int(again.places[int(same.all(axis=1).argmin())])]
        raise InputError(str(changed), "the same profile while the plan is made", "another one")


def tables_room(members: Members, capacity: Ints, spec: ModelSpec) -> tuple[CameraRoom, ...]:
    """Return how much each camera of the vehicle that needs most of it may still gain, turn or shift.

    Turns and shifts are certified: no calibration within them sees more queries than the capacity.
    """
    neediest, least = _neediest(members, capacity)
    room = []
    for index, name in enumerate(members.footprints.cameras):
        path, left = members.path(int(neediest[index])), int(least[index])
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


def _neediest(members: Members, capacity: Ints) -> tuple[Ints, Ints]:
    """Return for each camera (N,) the member with the least room, the first of them, and how much that is."""
    which, least = [], []
    for start, part in zip(range(0, len(members), AT_ONCE), _parts(members.rows), strict=True):
        spare = (capacity - members.footprints.reach[part]).min(axis=1)  # (M, N)
        which.append(start + spare.argmin(axis=0))
        least.append(spare.min(axis=0))
    first = np.argmin(least, axis=0)[None]
    return tuple(np.take_along_axis(np.array(each), first, axis=0)[0] for each in (which, least))


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
    members: Members, cover: Cover, spec: ModelSpec, sample: int, jobs: int | None
) -> tuple[tuple[CameraRoom, ...], int]:
    """Return the least headroom of each camera over a sample of the vehicles, and the sample's size."""
    paths = [members.path(index) for index in range(0, len(members), -(-len(members) // sample))]
    found = [one for one in over_profiles(paths, _Room(spec, cover), jobs) if not isinstance(one, Failed)]
    least = np.min(found, axis=0)  # (N, 2): rad, m
    room = tuple(
        CameraRoom(
            camera=name, rotation_mrad=_thousandths(turn), translation_mm=_thousandths(shift), queries=None,
        )
        for name, (turn, shift) in zip(members.footprints.cameras, least, strict=True)
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
