"""Files behind URLs that fsspec knows, as paths: `s3://fleets/vans.parquet` is `Path("s3://fleets/vans.parquet")`.

A path keeps one slash of the two, and its first part ends with a colon, which tells it apart. What has to be read in
any order is fetched once, as a whole, into a folder of the user's cache, and again when it has changed. What is written
is written here first, and then there in one step.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import secrets
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialize.errors import InputError, UsageError, missing_package
from specialize.files.scratch import temporary_folder, work_folder

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")
_LOCAL = frozenset({"file", "local"})
_WHOLE_WRITES = frozenset({"s3:", "s3a:"})


def is_far(path: Path) -> bool:
    """Whether a path is that of a URL."""
    return bool(path.parts) and _SCHEME.fullmatch(path.parts[0]) is not None


def url_of(path: Path) -> str:
    """Return the URL of a path that `is_far`."""
    scheme = path.parts[0][:-1]
    return f"{scheme}://{'/' if scheme in _LOCAL else ''}{'/'.join(path.parts[1:])}"


def shown(path: Path) -> str:
    """Return what people call a path: its URL if it has one."""
    return url_of(path) if is_far(path) else str(path)


def file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system behind a URL, and what the URL is called there.

    Raises:
        UsageError: fsspec, or the package for this kind of URL, is not installed, or there is no such kind.
    """
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError:
        raise missing_package(url, "fsspec", "fleet") from None
    scheme = url.partition("://")[0]
    if scheme not in fsspec.available_protocols():
        raise UsageError(url, "a URL that fsspec supports", repr(scheme))
    try:
        files, root = url_to_fs(url, use_listings_cache=False)  # other machines write as well
    except ImportError as error:
        if scheme == "s3":
            raise missing_package(url, "s3fs", "s3") from error
        raise UsageError(url, f"the package that fsspec needs for {scheme}", "none", str(error)) from error
    return files, str(root).rstrip("/")


def is_file(path: Path) -> bool:
    """Whether there is a file at a path, here or behind a URL."""
    if not is_far(path):
        return path.is_file()
    files, place = file_system(url_of(path))
    with _told(path):
        return bool(files.isfile(place))


def near(path: Path) -> Path:
    """Return a file of this machine with the content of a path: itself, or a copy of what is behind a URL.

    Raises:
        InputError: There is no such file, or it cannot be fetched.
        UsageError: As of `file_system`.
    """
    return _fetched(path) if is_far(path) else path


@functools.lru_cache(maxsize=64)
def _fetched(path: Path) -> Path:
    """Return the copy of a file, which this process fetches once."""
    import platformdirs

    url = url_of(path)
    files, place = file_system(url)
    with _told(path):
        home = Path(platformdirs.user_cache_dir("specialize")) / "fleets" / _short(url)
        copy = home / f"{_short(f'{files.ukey(place)} {files.size(place)}')}{path.suffix}"
        if not copy.is_file():
            with work_folder(home, "fetched") as room:
                files.get_file(place, str(room / "content"))
                for older in home.glob(f"*{path.suffix}"):
                    older.unlink(missing_ok=True)
                (room / "content").replace(copy)
    return copy


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(path: Path, size_bytes: int) -> bytes:
    """Return the first bytes of a file behind a URL, without keeping it.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    files, place = file_system(url_of(path))
    with _told(path):
        return bytes(files.cat_file(place, end=size_bytes))


def below(folder: Path) -> list[str]:
    """Return the files below a folder behind a URL, relative to it; none if there is no such folder."""
    files, place = file_system(url_of(folder))
    with _told(folder):
        if not files.isdir(place):
            return []
        return [str(found)[len(place) + 1 :] for found in files.find(place)]


@contextlib.contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Yield where to write what shall be at a path: the path itself, or a file that is sent when the block ends.

    Raises:
        InputError: It cannot be sent.
    """
    if not is_far(path):
        yield path
        return
    files, place = file_system(url_of(path))
    with temporary_folder("sent") as folder:
        yield folder / path.name
        with _told(path):
            files.makedirs(place.rpartition("/")[0], exist_ok=True)
            whole = path.parts[0] in _WHOLE_WRITES
            temporary = place if whole else f"{place}.{secrets.token_hex(6)}.tmp"
            files.put_file(str(folder / path.name), temporary)
            if not whole:
                files.mv(temporary, place)
    _fetched.cache_clear()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a file system raises into an error that names the URL."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(url_of(path), "a file", "no such file") from None
    except (OSError, _errors()) as error:
        found = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(url_of(path), "a location that can be read and written", found) from error


def _errors() -> Any:
    """Return what clients of S3 raise that is no OSError."""
    try:
        return import_module("botocore.exceptions").BotoCoreError
    except ImportError:
        return OSError
