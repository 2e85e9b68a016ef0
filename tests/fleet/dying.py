"""Work for other processes, in a module that they import in no time."""

from __future__ import annotations

import os


def halved(number: int) -> str:
    """Do a task; number 3 kills its process, as the system does when memory runs out."""
    if number == 3:
        os._exit(9)
    return f"half of {2 * number}"
