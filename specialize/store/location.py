"""Locate the store: the folder or URL in `SPECIALIZE_STORE`, or the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from specialize.digest import digest_bytes
from specialize.files.atomic import explained
from specialize.files.scratch import remove_orphans
from specialize.store.local import Store

VARIABLE = "SPECIALIZE_STORE"


def store_root() -> str:
    """Return the folder or URL of the store, reading the environment at every call."""
    return os.environ.get(VARIABLE) or platformdirs.user_cache_dir("specialize")


def open_store(root: Path | str | None = None) -> Store:
    """Open the store at a folder or URL, or the default one; a folder is created if necessary.

    A store at a URL keeps fetched objects in a folder of the user's cache.

    Raises:
        SpecializeError: The folder cannot be created or written, or no installed package can read such a URL.
    """
    place = store_root() if root is None else str(root)
    if "://" not in place:
        return Store(_made(Path(place)))
    from specialize.store.remote import open_remote
    from specialize.store.shared import SharedStore

    name = digest_bytes(place.encode()).removeprefix("sha256:")[:16]
    near = Path(platformdirs.user_cache_dir("specialize")) / "remote" / name
    return SharedStore(_made(near), open_remote(place))


def _made(folder: Path) -> Path:
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    remove_orphans(folder / "tmp")
    return folder.absolute()
