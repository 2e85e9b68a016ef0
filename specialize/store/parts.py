"""The parts of a build in the store: a file as it is, or packed, which its name tells."""

from __future__ import annotations

import zlib

from specialize.errors import InputError
from specialize.store.entry import Entry
from specialize.store.local import Store

PACKED = ".z"


def read_part(store: Store, entry: Entry, name: str) -> bytes:
    """Return the content of one packed file of a build.

    Raises:
        InputError: The build has no such file, or it was damaged.
    """
    if name + PACKED not in entry.objects:
        hint = "build the fleet again"
        raise InputError(f"store {store.root}: {entry.title}", f"the file {name}", "none", hint)
    return zlib.decompress(store.read(entry.objects[name + PACKED]))
