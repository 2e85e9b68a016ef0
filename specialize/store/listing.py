"""What a store holds, in a list."""

from __future__ import annotations

from pathlib import Path

from specialize.store.local import Store
from specialize.text.record import Record


class ListedEntry(Record, frozen=True, kw_only=True):
    """An entry of the store.

    Attributes:
        kind: What it is.
        key: Its key.
        title: What it is, for people.
    """

    kind: str
    key: str
    title: str


class ListedObject(Record, frozen=True, kw_only=True):
    """An object of the store.

    Attributes:
        digest: Its name.
        size: Bytes.
    """

    digest: str
    size: int


class Listing(Record, frozen=True, kw_only=True):
    """`specialize store ls --json`.

    Attributes:
        root: Where the store is.
        entries: What it knows.
        objects: What it holds.
        bytes: All of it.
    """

    root: Path
    entries: tuple[ListedEntry, ...]
    objects: tuple[ListedObject, ...]
    bytes: int


def list_store(store: Store) -> Listing:
    """Return what a store knows and holds.

    Raises:
        InputError: An entry is damaged.
    """
    objects = tuple(ListedObject(digest=digest, size=store.size(digest)) for digest in store.digests())
    return Listing(
        root=store.root,
        entries=tuple(
            ListedEntry(kind=each.kind, key=each.key, title=each.title) for each in store.entries()
        ),
        objects=objects,
        bytes=sum(each.size for each in objects),
    )
