"""Compare the executors of a program on many vehicles, in batches of which every finished one is kept.

The file of batches says for which program and executors they count; for others it is begun again. Vehicles are numbered
and each number is one vehicle, so runs that were interrupted add up to the same as one that was not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from specialize.binding.relink import places, run
from specialize.binding.relink.program import Program
from specialize.files.atomic import write_file
from specialize.vehicle.toolchain import FLAGS, include_dir
from tests.vehicle import linking

BATCH = 250
SEED = 5000


def compare(program: Program, room: Path, count: int, kept: Path | None = None) -> dict[str, int]:
    """Return how many vehicles were compared and how many fit.

    Args:
        program: What makes tables.
        room: A folder for the executor in C++.
        count: Vehicles.
        kept: File of the batches that are done, which grows; None keeps none.

    Raises:
        AssertionError: The executors differ.
    """
    key = executors(program)
    done = _done(kept, key)
    linker = linking.Linker(linking.compiled(room), program)
    for first, size in batches(count):
        if str(first) in done and done[str(first)]["compared"] >= size:
            continue
        vehicles = linking.vehicles(size, SEED, first)
        fit = sum(linking.compare(linker, profile) for profile in vehicles)
        done[str(first)] = {"compared": size, "fit": fit}
        if kept is not None:
            write_file(kept, json.dumps({"executors": key, "batches": done}, indent=1) + "\n")
    compared, fits = (sum(batch[what] for batch in done.values()) for what in ("compared", "fit"))
    return {"compared": compared, "fit": fits, "refused": compared - fits}


def batches(count: int) -> Iterator[tuple[int, int]]:
    """Yield the first vehicle and the size of every batch."""
    for first in range(0, count, BATCH):
        yield first, min(BATCH, count - first)


def executors(program: Program) -> str:
    """Return a digest of a program and of what runs it: headers, flags, and numpy's twin but for its imports."""
    hashed = hashlib.sha256(program.to_bytes())
    hashed.update(repr(FLAGS).encode())
    for path in sorted((include_dir() / "specialize").iterdir()):
        hashed.update(path.read_bytes())
    for module in (run, places):
        lines = Path(str(module.__file__)).read_text().splitlines()
        hashed.update("\n".join(line for line in lines if not line.startswith(("from ", "import "))).encode())
    return hashed.hexdigest()


def _done(kept: Path | None, key: str) -> dict[str, dict[str, int]]:
    """Return the batches that are done with these executors, by first vehicle."""
    if kept is None or not kept.is_file():
        return {}
    said = json.loads(kept.read_text())
    return dict(said["batches"]) if said["executors"] == key else {}
