"""Laying the builds of a fleet out as folders, as `specialize build` leaves them."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact.build import Build
from specialize.digest import short
from specialize.errors import InputError
from specialize.files import publish_directory
from specialize.fleet.task import KIND
from specialize.store import Store


def folder_name(key: str, vehicles: tuple[str, ...]) -> str:
    """Return what a build's folder is called: its vehicle, or its key if it serves several."""
    one = vehicles[0] if len(vehicles) == 1 else f"fleet-{short(key)}"
    return one.replace("/", "_")


def unpack_build(store: Store, key: str, folder: Path) -> Build:
    """Lay a build of the store out as a folder, and check every file.

    Raises:
        InputError: The store does not have it, or a file was damaged.
    """
    entry = store.find_entry(KIND, key)
    if entry is None:
        raise InputError(f"store {store.root}", f"build {key}", "none", "run `specialize fleet build` first")
    with publish_directory(folder) as room:
        for name, digest in entry.objects.items():
            store.unpack(digest, room / name)
        Build.open(room).require_intact()
    return Build.open(folder)
