"""Copy a file without writing it, on file systems that let two files have the same blocks until one is changed."""

from __future__ import annotations

import fcntl
from pathlib import Path

_CLONE = 0x40049409  # FICLONE of linux/fs.h


def share_blocks(source: Path, target: Path) -> bool:
    """Make a file that shares the blocks of another one; return whether the file system can."""
    with source.open("rb") as have, target.open("wb") as made:
        try:
            fcntl.ioctl(made.fileno(), _CLONE, have.fileno())
        except OSError:
            return False
    return True
