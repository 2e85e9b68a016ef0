"""Store objects in a folder, named by their sha256, with entries that describe them.

    objects/ab/cdef...            read-only files; the name is the digest of the content
    entries/<kind>/<hex>.json     see `entry.py`
    tmp/                          files that are being added
    damaged/                      files that `specialize store check --repair` moved aside

Objects never change, so reading needs no lock; content is compared with its name once per process. Adding and removing
an object are single steps under one lock. Adding an existing object renews its time, and recent objects are not
collected.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from specialize.digest import digest_bytes, digest_file, note_copy
from specialize.errors import InputError
from specialize.files.atomic import explained, require_space, write_file
from specialize.files.exclusive import only_one
from specialize.files.regular import read_regular
from specialize.files.scratch import work_folder
from specialize.files.share_blocks import share_blocks
from specialize.store.entry import REPAIR, Entry, entry_text, parse_entry, read_entry

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KIND = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Store:
    """A store in a local folder; open it with `open_store`."""

    root: Path

    def put_file(self, path: Path) -> str:
        """Copy a file into the store and return its digest; nothing is copied if it is there already.

        Raises:
            SpecializeError: The disk is full or the store cannot be written.
        """
        with explained(path):
            digest, size = digest_file(path), path.stat().st_size
        if not self._renewed(digest):
            require_space(self.root, size)
            with self._incoming() as temporary:
                shutil.copyfile(path, temporary)
                found = digest_file(temporary)
                if found != digest:
                    raise InputError(
                        str(path), "a file that does not change while it is read", "a changed file"
                    )
                self._add(temporary, digest)
        return digest

    def adopt_file(self, path: Path) -> str:
        """Move a file into the store and return its digest; `path` is gone afterwards.

        Raises:
            SpecializeError: The disk is full or the store cannot be written.
        """
        with explained(path):
            digest = digest_file(path)
            if self._renewed(digest):
                path.unlink()
                return digest
        with self._incoming() as temporary:
            shutil.move(path, temporary)
            self._add(temporary, digest)
        return digest

    def put_bytes(self, data: bytes) -> str:
        """Write bytes into the store and return their digest."""
        digest = digest_bytes(data)
        if not self._renewed(digest):
            with self._incoming() as temporary:
                temporary.write_bytes(data)
                self._add(temporary, digest)
        return digest

    def has(self, digest: str) -> bool:
        """Return whether the object exists, without reading its content."""
        return self._place(digest).is_file()

    def locate(self, digest: str) -> Path:
        """Return the read-only file that holds an object, without reading its content.

        Raises:
            InputError: The store has no such object.
        """
        place = self._place(digest)
        if not place.is_file():
            raise InputError(f"store {self.root}", f"object {digest}", "none", "build again to recreate it")
        return place

    def path(self, digest: str) -> Path:
        """Return the read-only file that holds an object, after checking its content against its name.

        Raises:
            InputError: The store has no such object, or its content is damaged.
        """
        place = self.locate(digest)
        with explained(place):
            found = digest_file(place)
        if found != digest:
            raise InputError(str(place), f"content of {digest}", f"that of {found}", REPAIR)
        return place

    def read(self, digest: str) -> bytes:
        """Return the content of an object, checked against its name.

        Raises:
            InputError: The store has no such object, or its content was damaged.
        """
        return read_regular(self.path(digest))

    def named(self, digest: str) -> str:
        """Return the digest of an intact object that an entry names, for another entry that will name it.

        The object's time is not renewed, because what an entry names is not collected.

        Raises:
            InputError: The store has no such object, or its content is damaged.
        """
        self.path(digest)
        return digest

    def unpack(self, digest: str, target: Path) -> None:
        """Copy an intact object to `target`, sharing its blocks if the file system supports it.

        The result is never a link, because readers of ONNX reject weights that have a second name.

        Raises:
            InputError: The store has no such object, or its content is damaged.
            SpecializeError: The disk is full or the target cannot be written.
        """
        source = self.path(digest)
        require_space(target.parent, source.stat().st_size)
        with explained(target):
            if not share_blocks(source, target):
                shutil.copyfile(source, target)
        note_copy(source, target)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every object, sorted."""
        folder = self.root / "objects"
        for start in _listed(folder):
            for name in _listed(folder / start):
                if _DIGEST.fullmatch(digest := f"sha256:{start}{name}"):
                    yield digest

    def size(self, digest: str) -> int:
        """Return the size of an object in bytes."""
        return self.locate(digest).stat().st_size

    def discard(self, digest: str, older_than: float | None = None) -> bool:
        """Remove an object, unless it was added again since `older_than`; return whether it was removed."""
        place = self._place(digest)
        with self._changing():
            if not place.is_file() or (older_than is not None and place.stat().st_mtime >= older_than):
                return False
            place.unlink()
        return True

    def write_entry(self, entry: Entry) -> None:
        """Record the entry of a key; the last writer wins.

        Raises:
            InputError: A part is not in the store.
        """
        for digest in entry.objects.values():
            self.locate(digest)
        write_file(self._entry_place(entry.kind, entry.key), entry_text(entry))

    def find_entry(self, kind: str, key: str) -> Entry | None:
        """Return the entry of a key, or None if there is none or one of its parts is gone.

        Parts are not read.

        Raises:
            InputError: The entry is damaged.
        """
        place = self._entry_place(kind, key)
        with explained(place):
            try:
                entry = parse_entry(read_regular(place), str(place), kind, key)
            except FileNotFoundError:
                return None
        return entry if all(self.has(digest) for digest in entry.objects.values()) else None

    def names(self, kind: str = "") -> Iterator[tuple[str, str]]:
        """Yield kind and key of every entry, or of those of one kind, sorted, without reading any."""
        for path in self.entry_files(kind):
            yield path.parent.name, f"sha256:{path.stem}"

    def read_entry(self, kind: str, key: str) -> Entry:
        """Return the entry of a name that `names` yielded.

        Raises:
            InputError: It is damaged.
        """
        return read_entry(self._entry_place(kind, key))

    def entries(self, kind: str = "") -> Iterator[Entry]:
        """Yield every entry, or those of one kind, sorted by kind and key, one in memory at a time.

        Raises:
            InputError: An entry is damaged.
        """
        for name in self.names(kind):
            yield self.read_entry(*name)

    def entry_files(self, kind: str = "") -> Iterator[Path]:
        """Yield the files of all entries, or of those of one kind, sorted."""
        folder = self.root / "entries"
        for each in [kind] if kind else _listed(folder):
            for name in _listed(folder / each):
                if name.endswith(".json") and not name.startswith("."):
                    yield folder / each / name

    def discard_entry(self, kind: str, key: str) -> None:
        """Remove an entry; its objects stay until they are collected."""
        self._entry_place(kind, key).unlink(missing_ok=True)

    @contextlib.contextmanager
    def making(self, kind: str, key: str, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Let one process at a time make the object of `key`; look for it again inside the block."""
        place = self._entry_place(kind, key)
        with only_one(
            self.root / "locks" / f"{place.stem}.lock", f"{kind} {place.stem[:12]}", 3600.0, on_wait
        ):
            yield

    def scratch(self) -> Path:
        """Return the folder on the store's file system from which `adopt_file` moves without copying."""
        folder = self.root / "tmp"
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _add(self, temporary: Path, digest: str) -> None:
        place = self._place(digest)
        temporary.chmod(0o444)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        with self._changing():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.utime(temporary)
            temporary.replace(place)

    def _renewed(self, digest: str) -> bool:
        """Renew the time of an intact object; return False if there is none, or a damaged one that must be replaced."""
        place = self._place(digest)
        with explained(place):
            if not place.is_file() or digest_file(place) != digest:
                return False
        with self._changing():
            if not place.is_file():
                return False
            os.utime(place)
        return True

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[Path]:
        with work_folder(self.scratch(), "object") as folder, explained(self.root):
            yield folder / "content"

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with only_one(self.root / "lock", f"store {self.root}", 60.0), explained(self.root):
            yield

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise InputError("store", "a digest, sha256:<64 hexadecimal digits>", repr(digest))
        name = digest.removeprefix("sha256:")
        return self.root / "objects" / name[:2] / name[2:]

    def _entry_place(self, kind: str, key: str) -> Path:
        if not (_KIND.fullmatch(kind) and _DIGEST.fullmatch(key)):
            raise InputError("store", "a kind in lower case and a digest", f"{kind!r}, {key!r}")
        return self.root / "entries" / kind / f"{key.removeprefix('sha256:')}.json"


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none where there is no folder."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  names alone: a store has a hundred thousand of them
    except (FileNotFoundError, NotADirectoryError):
        return []
