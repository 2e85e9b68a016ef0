"""Open regular files only: read without blocking, and overwrite without changing another name.

A name may belong to a named pipe, whose reader waits for ever, or to a link, whose writer changes a file elsewhere.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from specialize.errors import InputError

_LOCK_BYTES = 32
"""A lock file holds a process id and a newline, or nothing."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file for reading; links are followed.

    Raises:
        InputError: It is a pipe, a socket or a device.
        OSError: There is no such file, it is a folder, or it may not be read.
    """
    _require_regular(path, path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _require_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path) -> bytes:
    """Return the bytes of a regular file; raises what `open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def open_own(path: Path) -> int:
    """Return a descriptor of a file of its own for writing, made if need be; what it holds is not changed.

    A link or a pipe of that name is removed; what a link leads to stays as it is.

    Raises:
        OSError: It is a folder, or the file cannot be made.
    """
    while True:
        descriptor = _opened(path)
        if descriptor is not None and _is_own(os.fstat(descriptor)):
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        path.unlink(missing_ok=True)


def require_lock_file(path: Path) -> None:
    """Reject a file that is not a lock file, before it is locked and overwritten.

    Raises:
        InputError: It is a link, not a regular file, or has other content than a process id.
        IsADirectoryError: It is a folder.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    expected = "a lock file, which is empty or holds a process id"
    hint = "move it, or choose another location"
    if stat.S_ISLNK(status.st_mode) or not stat.S_ISREG(status.st_mode):
        _require_regular(path, status, expected, hint)
    if status.st_nlink > 1:
        raise InputError(str(path), expected, f"a file with {status.st_nlink} names (hard links)", hint)
    if status.st_size > _LOCK_BYTES or _content(path).strip(b"0123456789\n"):
        raise InputError(str(path), expected, f"{status.st_size} bytes of other content", hint)


def _content(path: Path) -> bytes:
    """Return the bytes of a lock file; none if its owner has removed it since."""
    try:
        return read_regular(path)
    except FileNotFoundError:
        return b""


def _require_regular(
    path: Path,
    status: os.stat_result,
    expected: str = "a regular file",
    hint: str = "name a regular file",
) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "another kind of file")
        raise InputError(str(path), expected, kind, hint)


def _opened(path: Path) -> int | None:
    """Return a descriptor of a file for writing; None if a link, a pipe or a socket is in its place."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO) and path.name and _is_foreign(path):
            return None
        raise


def _is_foreign(path: Path) -> bool:
    try:
        return not _is_own(path.lstat())
    except FileNotFoundError:
        return True


def _is_own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
