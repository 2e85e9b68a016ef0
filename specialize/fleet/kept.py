"""Which builds fleets name: what garbage collection keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from specialize.fleet.lock import parse_lock, read_lock
from specialize.store import Store

FLEET_KIND = "fleet"


def builds_named(store: Store, locks: Iterable[Path] = ()) -> frozenset[str] | None:
    """Return the keys of all builds that a lock names; None if the store knows of no fleet.

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
        text = path.read_bytes() if path.is_file() else store.read(entry.objects["fleet.lock"])
        named |= set(parse_lock(text.decode(), path).builds)
    for path in locks:
        named |= set(read_lock(path).builds)
    return frozenset(named) if known or named else None
