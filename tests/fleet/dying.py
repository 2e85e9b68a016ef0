"""Work for other processes, in a module that they import in no time."""

from __future__ import annotations

import os
import time
from pathlib import Path


def halved(number: int) -> str:
    """Do a task; number 3 kills its process, as the system does when memory runs out."""
    if number == 3:
        os._exit(9)
    return f"half of {2 * number}"


def endless(place: str) -> None:
    """Write which process this is, and go on until the process that started it is gone."""
    parent = os.getppid()
    Path(place).write_text(str(os.getpid()))
    while os.getppid() == parent:
        time.sleep(0.05)
