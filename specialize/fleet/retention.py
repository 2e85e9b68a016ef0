"""Which builds fleets name: what garbage collection keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from specialize.digest import digest
from specialize.fleet.lock import FleetLock, parse_lock, read_lock
from specialize.fleet.vehicle import Vehicle
from specialize.store import Entry, Store

FLEET_KIND, TABLE_KIND = "fleet", "table"


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
    known = [entry for entry in store.entries() if entry.kind == FLEET_KIND]
    for entry in known:
        path = Path(str(entry.info["path"]))
        named |= _named(read_lock(path) if path.is_file() else _as_built(store, entry))
    for path in locks:
        named |= _named(read_lock(path))
    return frozenset(named) if known or named else None


def _as_built(store: Store, entry: Entry) -> FleetLock:
    """Return a fleet's lock as it stood when the fleet was last built."""
    return parse_lock(store.read(entry.objects["fleet.lock"]).decode(), Path(str(entry.info["path"])))


def _named(lock: FleetLock) -> set[str]:
    """Return the keys of a lock's builds, and of the tables of its vehicles."""
    engines = [build for build in lock.builds.values() if build.mode == "tables"]
    tables = {table_key(build.key, one) for build in engines for one in build.members}
    return set(lock.builds) | tables
