"""The version of this package, and what stands for the code that makes a build."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

VERSION = "0.1.0"

_COMPILER = ("graph", "rows", "passes", "precision", "targets")


@functools.cache
def code_version(*parts: str) -> str:
    """Return the version and a digest of the code in some parts of the package, by default the compiler's.

    A build made by other code is another build, also between two releases.
    """
    state = hashlib.sha256()
    root = Path(__file__).parent
    for part in parts or _COMPILER:
        for file in sorted((root / part).rglob("*.py")):
            state.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return f"{VERSION}+{state.hexdigest()[:12]}"
