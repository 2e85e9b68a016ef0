"""Read a whole store, and find objects and entries that changed after they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.store.damage import Damage, damages
from specialize.store.entry import Entry, read_entry
from specialize.store.local import Store
from specialize.store.shared import SharedStore

_Place = TypeVar("_Place", Path, str)


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry that cannot be read.

    Attributes:
        where: Its file, or its location in the remote store.
        reason: What is wrong with it.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of checking a store.

    Attributes:
        objects: Damaged objects.
        entries: Damaged entries.
        far_objects: Damaged objects of the remote store, if there is one.
        far_entries: Damaged entries there.
    """

    objects: tuple[Damage, ...]
    entries: tuple[BadEntry, ...]
    far_objects: tuple[Damage, ...] = ()
    far_entries: tuple[BadEntry, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not (self.objects or self.entries or self.far_objects or self.far_entries)


def check_store(store: Store) -> Checked:
    """Read every object and every entry, including those of a remote store."""
    near = tuple(damages(store, store.digests())), tuple(_bad(store.entry_files(), read_entry))
    if not isinstance(store, SharedStore):
        return Checked(*near)
    remote = store.remote
    return Checked(*near, tuple(remote.damages()), tuple(_bad(remote.entry_files(), remote.read_entry)))


def take_out(store: Store, checked: Checked, keep: bool) -> None:
    """Take damaged objects and entries out of a store, so that they are made again when needed.

    An object that is damaged remotely but intact locally is sent again.

    Args:
        store: The store.
        checked: What is damaged.
        keep: Move files to the folder `damaged` of the store instead of removing them. Remote ones are removed.
    """
    for where in (*(damage.where for damage in checked.objects), *(bad.where for bad in checked.entries)):
        path = Path(where)
        if keep:
            _set_aside(store.root, path)
        else:
            path.unlink(missing_ok=True)
    if isinstance(store, SharedStore):
        for damage in checked.far_objects:
            store.remote.discard(damage.digest)
            if Store.has(store, damage.digest):
                store.remote.send(damage.digest, store.path(damage.digest))
        for bad in checked.far_entries:
            store.remote.discard_entry_file(bad.where)


def _set_aside(root: Path, path: Path) -> None:
    kept = root / "damaged" / path.relative_to(root)
    with explained(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.replace(kept)


def _bad(places: Iterable[_Place], read: Callable[[_Place], Entry]) -> Iterable[BadEntry]:
    for place in places:
        try:
            read(place)
        except InputError as error:
            yield BadEntry(str(place), f"expected {error.expected}, got {error.found}")
