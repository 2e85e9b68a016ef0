"""Whether the rows of a table are what they state: their digests computed anew, of a sample or of all."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from specialize.calibration.load import load_profile
from specialize.calibration.table import Vehicles
from specialize.errors import SpecializeError
from specialize.fleet.load import Failed
from specialize.fleet.sampling import crew_of, spread
from specialize.fleet.survey import Chunk, chunks_of, group_of

GROUPS = 4
"""Groups of rows that a sample is."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How closely a fleet is looked at.

    Attributes:
        listed: How many vehicles, and how many unreadable rows, are named.
        jobs: Number of processes, where profiles have to be read.
        verify: Whether the digests of all rows are computed anew, not of a sample.
        executor: Where to work, instead of processes of this machine.
    """

    listed: int
    jobs: int | None = None
    verify: bool = False
    executor: Executor | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Rows that were looked at.

    Attributes:
        verified: How many were.
        names: Those that are not what they state.
        failed: The same as paths, and why.
    """

    verified: int
    names: tuple[str, ...]
    failed: tuple[Failed, ...]


def verified_rows(table: Path, look: Looking) -> Verified:
    """Return which rows of a table do not have the digests that they state."""
    files = Vehicles(table)
    chunks = chunks_of(files)
    if not look.verify:
        chunks = [chunks[place] for place in spread(len(chunks), GROUPS)]
    with crew_of(files, look.jobs if look.verify else 1, look.executor) as crew:
        failed = [one for part in crew.in_order(chunks, wrong_rows) for one in part]
    return Verified(
        verified=sum(chunk.length for chunk in chunks),
        names=tuple(unquote(one.path.name) for one in failed),
        failed=tuple(failed),
    )


def wrong_rows(chunk: Chunk) -> list[Failed]:
    """Return the rows of a group that cannot be read, or have other digests; runs in other processes.

    A group that is damaged as a whole is none of them: whoever reads its digests says so.
    """
    group = group_of(chunk)
    if group is None:
        return []
    failed = []
    for row in group.others:
        path = chunk.path_of(group.names[row])
        try:
            if group.names[row] is not None:
                load_profile(path)
        except SpecializeError as error:
            failed.append(Failed(path, str(error)))
    return failed
