"""Which builds of a store leave it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from specialize.errors import InputError
from specialize.fleet.lock import read_outline
from specialize.fleet.storage import KIND
from specialize.store import Entry, Store
from specialize.store.find import find_by_prefix


def chosen_builds(store: Store, keys: Sequence[str] = (), lock: Path | None = None) -> Iterator[Entry]:
    """Yield the entries of builds: those named by keys and by a lock; all of them if neither is given.

    Args:
        store: The store.
        keys: Keys of builds, or how they begin.
        lock: A lock whose builds are meant.

    Raises:
        InputError: A build is not in the store, or a key is that of something else.
    """
    if not keys and lock is None:
        yield from store.entries(KIND)
        return
    found: dict[str, Entry] = {}
    for prefix in keys:
        entry = find_by_prefix(store, prefix, KIND)
        found[entry.key] = entry
    for key in read_outline(lock)[0].builds if lock is not None else ():
        built = store.find_entry(KIND, key)
        if built is None:
            hint = "run `specialize fleet build` first"
            raise InputError(f"store {store.root}", f"build {key} of {lock}", "none", hint)
        found[key] = built
    yield from (found[key] for key in sorted(found))
