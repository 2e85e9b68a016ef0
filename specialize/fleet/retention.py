"""Which builds fleets name: what garbage collection keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from specialize.digest import digest
from specialize.fleet.lock import NAME, each_vehicle, read_outline
from specialize.fleet.lock_lines import Outline, parse_outline
from specialize.fleet.vehicle import Vehicle
from specialize.store import Entry, Store

FLEET_KIND, TABLE_KIND = "fleet", "table"
VEHICLES = "vehicles.parquet"
"""Name of the part of a fleet's entry that holds the vehicles of its lock, if they are in a table."""


def table_key(build: str, vehicle: Vehicle) -> str:
    """Return the name in the store of the tables of a vehicle's calibration for one engine."""
    return digest([TABLE_KIND, build, *vehicle.numbers])


def builds_named(store: Store, locks: Iterable[Path] = ()) -> frozenset[str] | None:
    """Return the keys of all builds and tables that a lock names; None if the store knows of no fleet.

    A lock counts as it stands today; where its file is gone, as it stood when its fleet was last built.

    Args:
        store: The store, which knows the locks that were built with it.
        locks: Further locks.

    Raises:
        InputError: A lock cannot be read; nothing may be collected then.
    """
    named: set[str] = set()
    known = list(store.entries(FLEET_KIND))
    for entry in known:
        path = Path(str(entry.info["path"]))
        named |= _named(path, *(read_outline(path) if path.is_file() else _as_built(store, entry, path)))
    for path in locks:
        named |= _named(path, *read_outline(path))
    return frozenset(named) if known or named else None


def _as_built(store: Store, entry: Entry, path: Path) -> tuple[Outline, Path | None]:
    """Return a fleet's lock as it stood when the fleet was last built."""
    table = store.path(entry.objects[VEHICLES]) if VEHICLES in entry.objects else None
    return parse_outline(store.read(entry.objects[NAME]).decode(), path), table


def _named(path: Path, outline: Outline, table: Path | None) -> set[str]:
    """Return the keys of a lock's builds, and of the tables of its vehicles."""
    engines = {key for key, build in outline.builds.items() if build.mode == "tables"}
    served = each_vehicle(outline, path, table)
    return set(outline.builds) | {table_key(key, one) for one, key in served if key in engines}
