"""Find an entry by the beginning of its key."""

from __future__ import annotations

from specialize.errors import InputError
from specialize.store.entry import Entry
from specialize.store.local import Store


def find_by_prefix(store: Store, prefix: str) -> Entry:
    """Return the only entry whose key has this prefix.

    Raises:
        InputError: No entry has it, or several have.
    """
    wanted = prefix.removeprefix("sha256:")
    found = [entry for entry in store.entries() if entry.key.removeprefix("sha256:").startswith(wanted)]
    if len(found) == 1:
        return found[0]
    count = (
        "none"
        if not found
        else f"{len(found)}: {', '.join(f'{entry.kind} {entry.key}' for entry in found[:4])}"
    )
    hint = "`specialize store ls` lists all keys"
    raise InputError(f"store {store.root}", f"one entry whose key begins with {prefix!r}", count, hint)
