"""Where a model's files lie while builds are made of it: in a folder for one build, or for several in turn.

A fleet's process builds one vehicle after the other from the same files of some hundred megabytes. It calls `keep`, and
finds them where they were; a thread keeps those of one model.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import util
from pathlib import Path

from specialize.digest import digest_file
from specialize.errors import InputError
from specialize.files.scratch import work_folder
from specialize.store import Store

ORDER = 10
"""When folders are removed at the end of a process, among all that is done then."""


@dataclass(slots=True)
class _Kept:
    """What a thread of this process keeps: whose files, and where; nothing yet without a folder."""

    of: object = None
    folder: Path | None = None
    end: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


_kept: dict[tuple[int, int], _Kept] = {}


@contextlib.contextmanager
def unpacked(store: Store, objects: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder with some objects of a store by their names, for as long as the block lasts.

    Further files may be written there; they go when the block ends.
    """
    kept = _kept.get(_own())
    if kept is None:
        with _folder(store, objects) as folder:
            yield folder
        return
    of = (store.root, tuple(sorted(objects.items())))
    if kept.folder is None or kept.of != of or not _is_intact(kept.folder, objects):
        kept.end.close()
        kept.folder = kept.end.enter_context(_folder(store, objects))
        kept.of = of
    try:
        yield kept.folder
    finally:
        _remove_others(kept.folder, objects)


def keep() -> None:
    """Keep what this thread unpacks until it unpacks another model, or lets go, or its process ends."""
    if not any(process == os.getpid() for process, _ in _kept):
        util.Finalize(
            None, _let_go_of_all, args=(os.getpid(),), exitpriority=ORDER
        )  # `atexit` is not for workers
    _kept.setdefault(_own(), _Kept())


def let_go() -> None:
    """Remove what this thread keeps, and keep nothing any more."""
    kept = _kept.pop(_own(), None)
    if kept is not None:
        kept.end.close()


def _is_intact(folder: Path, objects: Mapping[str, str]) -> bool:
    """Return whether a folder has the files that were unpacked; those that did not change are not read."""
    try:
        return all(digest_file(folder / name) == key for name, key in objects.items())
    except (OSError, InputError):
        return False


def _let_go_of_all(process: int) -> None:
    for own in [
        own for own in _kept if own[0] == process == os.getpid()
    ]:  # a forked process has the parent's as well
        _kept.pop(own).end.close()


def _remove_others(folder: Path, objects: Mapping[str, str]) -> None:
    names = {Path(name).parts[0] for name in objects}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _own() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


@contextlib.contextmanager
def _folder(store: Store, objects: Mapping[str, str]) -> Iterator[Path]:
    with work_folder(store.scratch(), "model") as folder:
        for name, key in objects.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            store.unpack(key, folder / name)
        yield folder
