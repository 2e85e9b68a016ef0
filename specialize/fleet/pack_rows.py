"""The rows of a table that some vehicles become: a table's as they are wherever that is the same, others one by one.

A row that `read_alike` takes for sure holds the numbers of its profile. That everything else in it is what a profile is
written as, is shown once for all rows of one layout, with one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.load import load_profile
from specialize.calibration.table import GROUP, read_group, rows_as_table
from specialize.calibration.table_row import row_of
from specialize.errors import SpecializeError
from specialize.files.tables import arrow
from specialize.fleet.footprint import Ints
from specialize.fleet.load import Failed
from specialize.fleet.survey import Chunk, split

_LAST = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class PackedRows:
    """What became of a chunk.

    Attributes:
        rows: A row for each vehicle that can be used, in order, as a `pyarrow.Table`.
        failed: The others.
    """

    rows: Any
    failed: tuple[Failed, ...]


def pack_rows(chunk: Chunk) -> PackedRows:
    """Return the rows of the vehicles of a chunk, as `write_table` writes them; runs in other processes."""
    groups, alone = split(chunk)
    raw = read_group(chunk.table, chunk.start // GROUP) if chunk.table is not None and groups else None
    kept = [np.zeros(0, np.int64)]
    for alike, places in groups:
        if not len(places):
            continue
        same = _written_so(raw, places - chunk.start, chunk.path_of(alike.names[0]))
        kept.append(places[same] - chunk.start)
        alone += [(int(places[row]), chunk.path_of(alike.names[row])) for row in np.flatnonzero(~same)]
    documents, at, failed = [], [], []
    for place, path in sorted(alone):
        try:
            documents.append(row_of(load_profile(path)))
        except SpecializeError as error:
            failed.append(Failed(path, str(error)))
            continue
        at.append(place - chunk.start)
    rows = [rows_as_table(documents)]
    if raw is not None:
        rows.insert(0, raw.take(np.concatenate(kept)).cast(rows[0].schema))
    order = np.argsort(np.concatenate([*(kept if raw is not None else []), np.array(at, np.int64)]))
    return PackedRows(arrow().concat_tables(rows).take(order).combine_chunks(), tuple(failed))


def _written_so(raw: Any, rows: Ints, path: Path) -> NDArray[np.bool_]:
    """Return which rows (R,) of one layout, the first of which has a path, are written as their profiles would be."""
    first = rows_as_table([row_of(load_profile(path))])
    if not raw.take(rows[:1]).cast(first.schema).equals(first):
        return np.zeros(len(rows), bool)
    poses = raw.column("lidar2ego").take(rows).combine_chunks()
    if poses.null_count:
        return np.ones(len(rows), bool)  # none has one, since they have one layout
    return np.asarray((poses.flatten().to_numpy().reshape(-1, 16)[:, 12:] == _LAST).all(axis=1))
