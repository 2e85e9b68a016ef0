"""Capacity: how much room tables keep for the rows of any vehicle, and who does not fit.

Without a wish, or with `auto`, every camera gets a sixteenth more than the largest need known, in steps of eight. With
`--capacity-over` alone the needs of those vehicles are met exactly. A number is for every camera, a list for one each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.binding.capacity_file import Needs
from specialize.errors import InputError, StaleError, UsageError
from specialize.passes.site import CompactedSite
from specialize.rows.arrange import Packing
from specialize.rows.capacity import Room, Sum, most_rows
from specialize.rows.sum_back import CAMERAS
from specialize.visibility.plan import VisibilityPlan

AUTO = "auto"
HEADROOM = 1 / 16
STEP = 8
LEAST_FAN_IN = 2
"""Cameras that see one query: two on all rigs of six cameras known, so no table has room for fewer."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The option `--capacity`.

    Attributes:
        lengths: One number for all cameras, or one per camera; empty for `auto`.
        headroom: Whether more than the known needs are kept free.
    """

    lengths: tuple[int, ...] = ()
    headroom: bool = True


def parse_capacity(text: str | None, *, over: bool) -> Capacity:
    """Return the capacity written as `auto`, `640` or `640,480,480`; `over` tells whether further vehicles are known.

    Raises:
        UsageError: The text is none of these.
    """
    if text is None or text == AUTO:
        return Capacity(headroom=text == AUTO or not over)
    try:
        lengths = tuple(int(part) for part in text.split(","))
    except ValueError:
        lengths = (0,)
    if min(lengths) < 1:
        raise UsageError("--capacity", "auto, a number, or one number per camera", repr(text))
    return Capacity(lengths)


def needs_of(sites: Iterable[CompactedSite]) -> dict[str, Room]:
    """Return what each site needs, by its name."""
    return {site.where: site.room for site in sites}


def pools(room: Room) -> bool:
    """Return whether a site sums more rows to one than a rig has cameras."""
    return any(each.fan_in > CAMERAS for each in room.sums)


def make_rooms(
    needs: Sequence[Needs],
    capacity: Capacity,
    packing: Packing,
    cameras: tuple[str, ...],
    most: Mapping[str, int],
) -> Needs:
    """Return the room of each site that holds the rows of all vehicles.

    Args:
        needs: Per vehicle what each site needs.
        capacity: What was asked for.
        packing: Alignment, and whether all cameras are as long as the longest.
        cameras: Names, for errors.
        most: By site how many queries there are, which no camera needs more than.

    Raises:
        InputError: Less was asked for than a vehicle needs, or a list does not fit the cameras.
        StaleError: A vehicle's graph does not look like the first one's.
    """
    rooms = {}
    for site, first in needs[0].items():
        others = [each.get(site) for each in needs]
        if any(other is None or _shape(other) != _shape(first) for other in others):
            raise StaleError(f"site {site}", "the same operators for every vehicle", "others")
        alike = [other for other in others if other is not None]
        slots = tuple(
            _length(
                np.max([room.slots[slot] for room in alike], axis=0), capacity, packing, cameras, most[site]
            )
            for slot in range(len(first.slots))
        )
        wanted = max(sum(map(sum, room.slots)) for room in alike)
        share = sum(map(sum, slots)) / max(1, wanted)
        sums = tuple(_sum([room.sums[number] for room in alike], share) for number in range(len(first.sums)))
        rooms[site] = Room(slots, sums)
    return rooms


def capacity_json(
    sites: Sequence[CompactedSite], rooms: Needs, plans: Sequence[VisibilityPlan], size: int
) -> dict[str, object]:
    """Return what the manifest says about capacity: rows per camera of each grid, cameras per query, rows per cell.

    Args:
        sites: The sites of the engine.
        rooms: Their rooms.
        plans: What the build's own vehicle sees, one per grid.
        size: Bytes of its tables.
    """
    grids, sums = [], [each for room in rooms.values() for each in room.sums]
    for plan in plans:
        lengths = [site.lengths for site in sites if site.seen.shape == plan.seen.shape]
        grids.append([int(n) for n in np.min(lengths, axis=0)] if lengths else None)
    return {
        "lengths": grids,
        "cameras_per_query": min((each.fan_in for each in sums if not each.scattered), default=None),
        "rows_per_cell": min((most_rows(len(each.blocks)) for each in sums if each.scattered), default=None),
        "rows": sum(site.rows_computed for site in sites),
        "own_rows": sum(site.pairs for site in sites),
        "bytes": size,
    }


def _shape(room: Room) -> tuple[tuple[int, ...], int]:
    return tuple(len(slot) for slot in room.slots), len(room.sums)


def _length(
    wanted: np.ndarray, capacity: Capacity, packing: Packing, cameras: tuple[str, ...], most: int
) -> tuple[int, ...]:
    """Return the length of every group of one arrangement."""
    if capacity.lengths:
        lengths = _asked(wanted, capacity.lengths)
        short = np.flatnonzero(lengths < wanted)
        if len(short):
            name = cameras[short[0]] if len(cameras) == len(wanted) else f"group {short[0]}"
            raise InputError("--capacity", f"at least {wanted[short[0]]} for {name}", str(lengths[short[0]]))
    elif capacity.headroom:
        lengths = -(-np.ceil(wanted * (1 + HEADROOM)).astype(np.int64) // STEP) * STEP
    else:
        lengths = wanted
    if len(wanted) > 1:
        lengths = np.maximum(np.minimum(lengths, most), wanted)
    return tuple(int(length) for length in packing.lengths(np.maximum(lengths, 1)))


def _asked(wanted: np.ndarray, lengths: tuple[int, ...]) -> np.ndarray:
    if len(lengths) in (1, len(wanted)):
        return np.broadcast_to(np.array(lengths, dtype=np.int64), wanted.shape)
    if len(wanted) == 1:
        return np.array([sum(lengths)], dtype=np.int64)
    raise InputError("--capacity", f"one number, or {len(wanted)} of them", str(len(lengths)))


def _sum(needs: Sequence[Sum], share: float) -> Sum:
    """Return how rows are summed for all vehicles; where they are pooled, in `share` times the blocks they need."""
    fan_in = max([LEAST_FAN_IN, *(each.fan_in for each in needs)])
    scattered = fan_in > CAMERAS
    levels = max(len(each.blocks) for each in needs) if scattered else 0
    wanted = [
        max(each.blocks[level] if level < len(each.blocks) else 0 for each in needs)
        for level in range(levels)
    ]
    blocks = tuple(max(1, blocks if share <= 1 else _room_for(blocks, share)) for blocks in wanted)
    return Sum(fan_in, any(each.scaled for each in needs), scattered, blocks)


def _room_for(blocks: int, share: float) -> int:
    return -(-math.ceil(blocks * share) // STEP) * STEP
