"""Which store is meant: `SPECIALIZE_STORE`, or the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from specialize.files import explained
from specialize.store.local import Store

VARIABLE = "SPECIALIZE_STORE"


def store_root() -> Path:
    """Return the folder of the store; the environment is read at every call."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("specialize"))


def open_store(root: Path | None = None) -> Store:
    """Return the store at `root`, or the default one, and make its folder.

    Raises:
        SpecializeError: The folder cannot be made or written.
    """
    folder = store_root() if root is None else root
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return Store(folder.absolute())
