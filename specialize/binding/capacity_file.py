"""Capacities in the manifest, and the error of a vehicle that exceeds one; reading them needs numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from specialize.errors import StaleError
from specialize.rows.capacity import SIZE, NoRoomError, Room, Sum

Needs = Mapping[str, Room]


def rooms_json(rooms: Needs) -> dict[str, object]:
    """Return rooms as plain values."""
    return {
        site: {
            "slots": [list(slot) for slot in room.slots],
            "sums": [[each.fan_in, each.scaled, each.scattered, list(each.blocks)] for each in room.sums],
        }
        for site, room in rooms.items()
    }


def rooms_from_json(data: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]]) -> dict[str, Room]:
    """Return rooms from what `rooms_json` gives."""
    return {
        site: Room(
            tuple(tuple(int(n) for n in slot) for slot in entry["slots"]),
            tuple(
                Sum(int(fan), bool(scaled), bool(scattered), tuple(int(n) for n in blocks))
                for fan, scaled, scattered, blocks in entry["sums"]
            ),
        )
        for site, entry in data.items()
    }


def explain(error: NoRoomError, vehicle: str, cameras: tuple[str, ...], size: int = SIZE) -> StaleError:
    """Return the error for a vehicle that exceeds a capacity; `size` is that of a block."""
    hint = "build again with more --capacity, or build this vehicle on its own"
    if error.what == "sum":
        expected = f"at most {error.kept[0]} cameras that see the same query"
        return StaleError(vehicle, expected, str(error.wanted[0]), hint)
    if error.what == "fan-in":
        expected = f"at most {error.kept[0]:,} rows that are pooled into one cell"
        return StaleError(vehicle, expected, f"{error.wanted[0]:,}", hint)
    if error.what == "blocks":
        unit = "points" if size == 1 else f"blocks of {size} rows"
        over = [
            f"{wanted - kept:,} {unit} too many ({wanted:,} of {kept:,})"
            for wanted, kept in zip(error.wanted, error.kept, strict=True)
            if wanted > kept
        ]
        return StaleError(vehicle, "pooled rows that fit the capacity of the build", over[0], hint)
    if error.what == "weights" or len(error.wanted) != len(error.kept):
        return StaleError(vehicle, "a graph that looks like the build's", "another one", hint)
    names = (
        cameras if len(cameras) == len(error.kept) else tuple(f"group {i}" for i in range(len(error.kept)))
    )
    over = [
        f"{wanted - kept} rows too many on {name} ({wanted} of {kept})"
        for name, wanted, kept in zip(names, error.wanted, error.kept, strict=True)
        if wanted > kept
    ]
    return StaleError(vehicle, "rows that fit the capacity of the build", "; ".join(over), hint)
