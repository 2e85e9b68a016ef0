"""Store objects behind any fsspec URL, shared by several machines: `s3://...`, `gs://...`, `memory://...`.

    <url>/objects/ab/cdef...            content, named by its sha256
    <url>/entries/<kind>/<hex>.json     see `entry.py`

There are no locks: an object's name is its content, so two writers write the same bytes. On S3 a write is one request,
after which the whole object is there, and the server refuses it where there is one (`If-None-Match`). Elsewhere a file
is written under a temporary name and then renamed, so that no reader sees a partial file.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.digest import digest_file, digest_stream
from specialize.errors import InputError
from specialize.files.far import file_system
from specialize.store.damage import Damage
from specialize.store.entry import REPAIR, Entry, entry_text, parse_entry

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_WHOLE_WRITES = frozenset({"s3", "s3a"})
"""Kinds of URLs behind which a file is there at once or not at all, and may be written only where none is."""

_WORTH_ASKING = 1 << 16
"""Bytes from which it is cheaper to ask for an object than to send it in vain."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Remote part of a store; open it with `open_remote`."""

    url: str
    files: AbstractFileSystem
    root: str

    def has(self, digest: str) -> bool:
        """Whether the object is there."""
        return bool(self.files.exists(self._object(digest)))

    def send(self, digest: str, path: Path) -> None:
        """Write an object from a local file, unless it is there already."""
        place = self._object(digest)
        if not self._writes_whole:
            if not self.has(digest):
                with self._publishing(place) as temporary:
                    self.files.put_file(str(path), temporary)
        elif path.stat().st_size < _WORTH_ASKING or not self.has(digest):
            self._create(place, path)

    @property
    def _writes_whole(self) -> bool:
        return self.url.partition("://")[0] in _WHOLE_WRITES

    def _create(self, place: str, path: Path) -> None:
        """Write a file where there is none; of several writers the server takes one."""
        try:
            self.files.put_file(str(path), place, mode="create")
        except FileExistsError:
            return
        except OSError as error:
            # A server that knows no conditions (501), or the other writer is not done (409): the same bytes either way.
            if error.errno not in (errno.ENOSYS, errno.EBUSY):
                raise
            self.files.put_file(str(path), place)

    def fetch(self, digest: str, target: Path) -> None:
        """Write an object into a local file, and check it.

        Raises:
            InputError: There is no such object, or it was damaged.
        """
        try:
            self.files.get_file(self._object(digest), str(target))
        except FileNotFoundError as error:
            raise InputError(self.url, f"object {digest}", "none", "build again to recreate it") from error
        found = digest_file(target)
        if found != digest:
            target.unlink()
            raise InputError(self.url, f"content of {digest}", f"that of {found}", REPAIR)

    def damages(self) -> Iterator[Damage]:
        """Read every object and yield those that changed under their name."""
        for digest in self.digests():
            with self.files.open(self._object(digest), "rb") as file:
                found = digest_stream(file)
            if found != digest:
                yield Damage(digest, found, self.url)

    def discard(self, digest: str) -> None:
        """Remove an object."""
        self.files.rm(self._object(digest))

    def write_entry(self, entry: Entry) -> None:
        """Record the entry of a key; the last writer wins."""
        place, text = self.entry_file(entry.kind, entry.key), entry_text(entry).encode()
        if self._writes_whole:
            self.files.pipe_file(place, text)
            return
        with self._publishing(place) as temporary:
            self.files.pipe_file(temporary, text)

    def find_entry(self, kind: str, key: str) -> Entry | None:
        """Return the entry of a key, or None if there is none."""
        place = self.entry_file(kind, key)
        try:
            return parse_entry(self.files.cat_file(place), f"{self.url}: {place}", kind, key)
        except FileNotFoundError:
            return None

    def names(self, kind: str = "") -> Iterator[tuple[str, str]]:
        """Yield kind and key of every entry, or of those of one kind, sorted."""
        for place in self.entry_files(kind):
            found, name = place.removesuffix(".json").split("/")[-2:]
            yield found, f"sha256:{name}"

    def entry_files(self, kind: str = "") -> list[str]:
        """Return the places of all entries, or of those of one kind, sorted."""
        return sorted(map(str, self.files.glob(f"{self.root}/entries/{kind or '*'}/*.json")))

    def read_entry(self, place: str) -> Entry:
        """Return the entry at a place, which is named after what it stands for.

        Raises:
            InputError: It is damaged.
        """
        kind, name = place.removesuffix(".json").split("/")[-2:]
        return parse_entry(self.files.cat_file(place), f"{self.url}: {place}", kind, f"sha256:{name}")

    def discard_entry_file(self, place: str) -> None:
        """Remove an entry that cannot be read."""
        self.files.rm(place)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every object, sorted."""
        for place in sorted(self.files.glob(f"{self.root}/objects/*/*")):
            folder, name = str(place).split("/")[-2:]
            if "." not in name:
                yield f"sha256:{folder}{name}"

    @contextlib.contextmanager
    def _publishing(self, place: str) -> Iterator[str]:
        """Yield a name to write to, which becomes `place` at the end."""
        temporary = f"{place}.{secrets.token_hex(6)}.tmp"
        self.files.makedirs(place.rpartition("/")[0], exist_ok=True)
        yield temporary
        self.files.mv(temporary, place)

    def _object(self, digest: str) -> str:
        name = digest.removeprefix("sha256:")
        return f"{self.root}/objects/{name[:2]}/{name[2:]}"

    def entry_file(self, kind: str, key: str) -> str:
        """Return the place of an entry."""
        return f"{self.root}/entries/{kind}/{key.removeprefix('sha256:')}.json"


def open_remote(url: str) -> Remote:
    """Return the remote store at a URL.

    Raises:
        UsageError: fsspec, or the package for this kind of URL, is not installed, or there is no such kind.
    """
    return Remote(url, *file_system(url))
