"""Write files and directories atomically, with remedies in disk errors.

A directory is published by writing a hidden sibling, `.<name>.tmp-<token>`, and renaming it. The process that
writes a sibling holds a lock on it; the lock dies with the process. So a kill leaves at most a
sibling without an owner, which the next publication of the same name removes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from specialize.errors import SpecializeError
from specialize.files.regular import open_own

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@contextlib.contextmanager
def publish_directory(target: Path, lasting: bool = True) -> Iterator[Path]:
    """Yield an empty sibling of `target` that replaces `target`, in one step, when the block ends.

    If the block raises, the sibling is removed and `target` stays as it was.

    Args:
        target: Where the folder will be.
        lasting: Whether it must outlive a loss of power once it is there; one that is moved on at once need not.

    Raises:
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(target)
        folder, owner = _owned_sibling(target)
    try:
        with explained(target):
            yield folder
            if lasting:
                _sync_tree(folder)
            _replace_directory(folder, target)
            if lasting:
                _sync(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file whole: readers see the old content or the new, also after a crash.

    Raises:
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `path`, in one step, when the block ends; not if it raises.

    Raises:
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    make_room(path)
    temporary = path.with_name(f".{path.name}.tmp")
    with explained(path):
        descriptor = _owned_file(temporary)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                yield file
            os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        _sync(path.parent)


def make_room(path: Path) -> None:
    """Make the folder that a file will lie in.

    Raises:
        SpecializeError: The path is a folder, or no folder can be made there.
    """
    with explained(path):
        if path.name in ("", "..") or path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)


def require_space(folder: Path, size: int) -> None:
    """Fail early if `size` bytes do not fit below `folder`.

    Raises:
        SpecializeError: The disk has less free space than that.
    """
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        found = f"{free / 2**20:.0f} MiB"
        raise SpecializeError(str(folder), f"{size / 2**20:.0f} MiB of free disk space", found, _ROOM)


@contextlib.contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn an error of the operating system about a file into an error with a remedy.

    Raises:
        SpecializeError: In place of an `OSError` that a user can do something about.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        expected, hint = _REMEDIES[error.errno]
        where = str(error.filename or place)
        raise SpecializeError(where, expected, os.strerror(error.errno or 0).lower(), hint) from error


_ROOM = "free some disk space, or choose another folder with -o or SPECIALIZE_STORE"
_REMEDIES: dict[int | None, tuple[str, str]] = {
    errno.ENOSPC: ("enough free disk space", _ROOM),
    errno.EDQUOT: ("enough disk quota", _ROOM),
    errno.EACCES: ("permission to read and write", "change the permissions, or choose another folder"),
    errno.EPERM: ("permission to read and write", "change the permissions, or choose another folder"),
    errno.EROFS: ("a writable file system", "choose another folder with -o or SPECIALIZE_STORE"),
    errno.ENOTDIR: (
        "a folder in every part of the path but the last",
        "a part of the path is a file: choose another path",
    ),
    errno.ENOENT: ("a location where files can be created", "choose another folder"),
    errno.EEXIST: ("a folder", "a file of that name is in the way: choose another path, or move it"),
    errno.ELOOP: ("a path without circular links", "choose another path"),
    errno.EIO: ("a readable and writable disk", "check the system's log, or choose another folder"),
    errno.EISDIR: ("a file", "the path is a folder: name a file"),
    errno.ENAMETOOLONG: ("a shorter name", "file systems allow 255 bytes for a name"),
    errno.EBUSY: ("a location that is not in use", "choose another path"),
    errno.EFBIG: ("a file small enough for this file system", _ROOM),
}


def claim(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, or None if it is held by another or gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _still_there(descriptor, folder):
            return descriptor
    os.close(descriptor)
    return None


def _owned_file(path: Path) -> int:
    """Return a descriptor of the file, emptied and locked; the lock dies with this process."""
    while True:
        descriptor = open_own(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _still_there(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:  # an interrupt while we waited: the file is another writer's, or unused
            _abandon(descriptor, path)
            raise
        os.close(descriptor)  # another writer renamed it while we waited


def _abandon(descriptor: int, path: Path) -> None:
    """Close a file, and remove it unless another process writes it."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _still_there(descriptor, path):
            path.unlink()
    os.close(descriptor)


def _owned_sibling(target: Path) -> tuple[Path, int]:
    """Return a new sibling of `target` and the descriptor that holds its lock."""
    while True:
        folder = target.with_name(f".{target.name}.tmp-{secrets.token_hex(6)}")
        folder.mkdir()
        descriptor = claim(folder)
        if descriptor is not None:
            return folder, descriptor


def _remove_orphans(target: Path) -> None:
    """Remove the siblings of `target` whose writers are dead."""
    siblings = re.compile(
        rf"\.{re.escape(target.name)}\.tmp-[0-9a-f]{{12}}(-old)?"
    )  # as `_owned_sibling` names them
    for folder in target.parent.iterdir():
        if not (siblings.fullmatch(folder.name) and folder.is_dir()) or folder.is_symlink():
            continue
        descriptor = claim(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _still_there(descriptor: int, path: Path) -> bool:
    """Whether `path` still names the inode that `descriptor` has open."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _replace_directory(folder: Path, target: Path) -> None:
    """Put `folder` at `target`; the previous content of `target` is at `folder` afterwards."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(target))
    if not target.exists():
        folder.rename(target)
    elif not _exchanged(folder, target):
        aside = folder.with_name(f"{folder.name}-old")
        target.rename(aside)
        folder.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchanged(first: Path, second: Path) -> bool:
    """Swap two directories in one step; False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    paths = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
