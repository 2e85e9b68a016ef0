"""Create folders for temporary work that do not outlive the process that works in them.

The process that makes a folder holds a lock on it, and the lock dies with the process. A folder whose lock is free was
left by a killed process; whoever opens the same location next removes it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from specialize.files.atomic import claim, explained

PREFIX = "specialize-"
"""First part of the names in the system's folder for temporary files, which others use too."""


@contextlib.contextmanager
def work_folder(place: Path, what: str) -> Iterator[Path]:
    """Yield a new folder below `place`, which is removed with all that is in it when the block ends.

    Raises:
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    with explained(place):
        place.mkdir(parents=True, exist_ok=True)
        folder, owner = _owned(place, what)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


@contextlib.contextmanager
def temporary_folder(what: str) -> Iterator[Path]:
    """Yield a new folder in the system's place for temporary files; orphans of killed processes go first."""
    place = Path(tempfile.gettempdir())
    remove_orphans(place, PREFIX)
    with work_folder(place, f"{PREFIX}{what}") as folder:
        yield folder


def remove_orphans(place: Path, prefix: str = "") -> None:
    """Remove the folders below `place` that no process works in any more; what is not ours to remove stays."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
                _remove_orphan(Path(entry.path))


def _remove_orphan(folder: Path) -> None:
    with contextlib.suppress(OSError):
        owner = claim(folder) if folder.stat().st_uid == os.getuid() else None
        if owner is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(owner)


def _owned(place: Path, what: str) -> tuple[Path, int]:
    """Return a new folder and the descriptor that holds its lock."""
    while True:
        folder = place / f"{what}-{secrets.token_hex(6)}"
        folder.mkdir(mode=0o700)
        owner = claim(folder)
        if owner is not None:
            return folder, owner
