"""Capacities in the manifest, and the error of a vehicle that exceeds one; reading them needs numpy alone."""

from __future__ import annotations

from collections.abc import Mapping

from specialize.errors import StaleError
from specialize.rows.capacity import SIZE, NoRoomError, Room

Needs = Mapping[str, Room]


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
