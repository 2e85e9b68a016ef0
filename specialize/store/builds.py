"""Keep builds in the store: a small manifest each, and files that all vehicles share by content."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact import Build
from specialize.artifact.manifest import FILE_NAME
from specialize.artifact.place import require_replaceable
from specialize.errors import InputError
from specialize.files.atomic import publish_directory
from specialize.store.entry import Entry
from specialize.store.local import Store

KIND = "build"


def keep_build(store: Store, folder: Path) -> Entry:
    """Put a build into the store under its build key; existing objects are not copied again.

    Raises:
        InputError: The folder is not a build, or a file differs from its manifest.
    """
    build = Build.intact(folder)
    manifest = build.manifest
    names = (FILE_NAME, *manifest.files)
    entry = Entry(
        kind=KIND,
        key=manifest.digests.build,
        title=f"{manifest.model} for {manifest.vehicle} ({manifest.mode}, {manifest.layout}; {manifest.target})",
        objects={name: store.put_file(folder / name) for name in names},
        info={
            "vehicle": manifest.vehicle,
            "profile": manifest.digests.profile,
            "plan": manifest.digests.plan,
        },
    )
    store.write_entry(entry)
    return entry


def restore_build(store: Store, key: str, folder: Path) -> Build:
    """Write a build from the store to a folder, as a whole or not at all.

    Raises:
        InputError: The store has no such build, or a part is damaged.
    """
    entry = store.find_entry(KIND, key)
    if entry is None:
        raise InputError(
            f"store {store.root}", f"build {key}", "none", "`specialize store ls` lists all keys"
        )
    require_replaceable(folder)
    with publish_directory(folder) as room:
        for name, digest in entry.objects.items():
            (room / name).parent.mkdir(parents=True, exist_ok=True)
            store.unpack(digest, room / name)
        Build.intact(room)
    return Build.open(folder)
