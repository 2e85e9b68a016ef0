"""Combine a local store with a remote one: reads prefer the local store, writes go to both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specialize.errors import InputError
from specialize.files.scratch import work_folder
from specialize.store.entry import Entry
from specialize.store.local import Store
from specialize.store.remote import Remote


@dataclass(frozen=True, slots=True)
class SharedStore(Store):
    """A store whose content other machines share.

    Attributes:
        remote: Where it is shared.
    """

    remote: Remote

    def put_file(self, path: Path) -> str:
        """Copy a file into both stores and return its digest."""
        return self._sent(Store.put_file(self, path))

    def adopt_file(self, path: Path) -> str:
        """Move a file into the local store, copy it into the remote one, and return its digest."""
        return self._sent(Store.adopt_file(self, path))

    def put_bytes(self, data: bytes) -> str:
        """Write bytes into both stores and return their digest."""
        return self._sent(Store.put_bytes(self, data))

    def named(self, digest: str) -> str:
        """Return the digest of an object that an entry names; the remote store has it afterwards."""
        return self._sent(Store.named(self, digest))

    def has(self, digest: str) -> bool:
        """Return whether the object is in either store."""
        return Store.has(self, digest) or self.remote.has(digest)

    def locate(self, digest: str) -> Path:
        """Return the local file that holds an object, fetched first if it is only in the remote store.

        Raises:
            InputError: Neither store has the object, or the remote one's is damaged.
        """
        if not Store.has(self, digest):
            with work_folder(self.scratch(), "fetched") as folder:
                self.remote.fetch(digest, folder / "content")
                Store.adopt_file(self, folder / "content")
        return Store.locate(self, digest)

    def write_entry(self, entry: Entry) -> None:
        """Record the entry of a key in both stores; its objects must be there first."""
        Store.write_entry(self, entry)
        self.remote.write_entry(entry)

    def find_entry(self, kind: str, key: str) -> Entry | None:
        """Return the entry of a key from either store."""
        found = Store.find_entry(self, kind, key) or self.remote.find_entry(kind, key)
        return found if found is not None and all(map(self.has, found.objects.values())) else None

    def names(self, kind: str = "") -> Iterator[tuple[str, str]]:
        """Yield kind and key of every entry of both stores, or of those of one kind, sorted."""
        yield from sorted({*Store.names(self, kind), *self.remote.names(kind)})

    def read_entry(self, kind: str, key: str) -> Entry:
        """Return the entry of a name that `names` yielded, from the local store if it is there.

        Raises:
            InputError: It is damaged.
        """
        if self._entry_place(kind, key).is_file():
            return Store.read_entry(self, kind, key)
        return self.remote.read_entry(self.remote.entry_file(kind, key))

    def _sent(self, digest: str) -> str:
        try:
            self.remote.send(digest, Store.path(self, digest))
        except OSError as error:
            raise InputError(self.remote.url, "a writable store", str(error)) from error
        return digest
