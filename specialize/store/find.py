"""Find an entry by the beginning of its key."""

from __future__ import annotations

from specialize.errors import InputError
from specialize.store.entry import Entry
from specialize.store.local import Store


def find_by_prefix(store: Store, prefix: str, kind: str = "") -> Entry:
    """Return the only entry, or the only one of a kind, whose key has this prefix.

    Raises:
        InputError: No entry has it, or several have, or it is damaged.
    """
    wanted = f"sha256:{prefix.removeprefix('sha256:')}"
    found = [name for name in store.names(kind) if name[1].startswith(wanted)]
    if len(found) == 1:
        return store.read_entry(*found[0])
    several = ", ".join(f"{kind} {key}" for kind, key in found[:4])
    count = f"{len(found)}: {several}" if found else "none"
    hint = "`specialize store ls` lists all keys"
    raise InputError(f"store {store.root}", f"one entry whose key begins with {prefix!r}", count, hint)
