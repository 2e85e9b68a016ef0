"""Let Python's collector look at what a build makes, and not, again and again, at what all libraries have made."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def own_garbage() -> Iterator[None]:
    """Set aside all objects that are there before a block, and collect what it leaves; then all is as it was.

    Graphs refer to themselves, so only the collector frees them; a full collection visits every object of the process.
    """
    if gc.get_freeze_count():  # by the caller, who has reasons
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
