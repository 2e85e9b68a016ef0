"""The parts of a build in the store: weights as they are, for all to share, everything else packed.

What a vehicle adds is its own tables and a graph that differs from its neighbour's in a few numbers; packed it takes a
third of the room.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from specialize.artifact import place
from specialize.artifact.build import Build
from specialize.artifact.manifest import FILE_NAME, Manifest
from specialize.compiler.generic import PREPARED_WEIGHTS
from specialize.digest import short
from specialize.errors import InputError
from specialize.files.atomic import explained, publish_directory
from specialize.store import Store
from specialize.store.parts import PACKED, read_part

KIND = "build"


def put_parts(store: Store, folder: Path, manifest: Manifest) -> dict[str, str]:
    """Move a build's files into the store and return the objects of an entry.

    Weights that are not in the folder are in the store, which an export names.
    """
    objects = {}
    for name in sorted((FILE_NAME, *manifest.files)):
        path = folder / name
        if name != PREPARED_WEIGHTS:
            with explained(path):
                content = path.read_bytes()
            objects[name + PACKED] = store.put_bytes(zlib.compress(content, 6))
        elif path.exists():
            objects[name] = store.adopt_file(path)
        else:
            objects[name] = store.named(manifest.files[name].sha256)
    return objects


def folder_name(key: str, vehicles: tuple[str, ...]) -> str:
    """Return what a build's folder is called: its vehicle, or its key if it serves several."""
    one = vehicles[0] if len(vehicles) == 1 else f"fleet-{short(key)}"
    return place.folder_name(one)


def unpack_build(store: Store, key: str, folder: Path) -> Build:
    """Lay a build of the store out as a folder, as `specialize build` leaves it, and check every file.

    Raises:
        InputError: The store does not have it, or a file was damaged.
    """
    entry = store.find_entry(KIND, key)
    if entry is None:
        raise InputError(f"store {store.root}", f"build {key}", "none", "run `specialize fleet build` first")
    place.require_replaceable(folder)
    with publish_directory(folder) as room:
        for name, digest in entry.objects.items():
            target = room / name.removesuffix(PACKED)
            target.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(PACKED):
                target.write_bytes(read_part(store, entry, name.removesuffix(PACKED)))
            else:
                store.unpack(digest, target)
        Build.intact(room)
    return Build.open(folder)
