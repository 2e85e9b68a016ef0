"""The vehicles of a lock as a table beside it, for fleets that are tables themselves.

    vehicle      string
    profile      32 bytes, the sha256 of the profile's digest
    plan         32 bytes, that of the visible sets; null for a model without grids
    calibration  32 bytes, that of what the model is fed
    build        the number of the build's line in the lock, from 0
    without      strings, the cameras that are off; only in the lock of a plan with subsets

Rows are sorted by vehicle. The table is named after its content and written before the lock that names it, so a lock
never names what is not there; the tables of earlier locks go when the new lock is in place.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.table import order_of_names, place_of
from specialize.digest import digest_file
from specialize.digests import Digests
from specialize.errors import InputError
from specialize.files.exclusive import only_one
from specialize.files.tables import SUFFIX, arrow, arrow_compute, opened_table, unreadable, write_groups
from specialize.fleet.footprints import Made, digests_of, missing_of_each, names_of
from specialize.fleet.lock_lines import AGAIN, BuildLine, TableLine
from specialize.fleet.vehicle import Vehicle, whole_name

NAME = "specialize/fleet-lock-vehicles@1"
GROUP = 1 << 16
_SHA256 = "sha256:"

Row = tuple[Vehicle, int]


@functools.cache
def vehicle_columns(subsets: bool) -> Any:
    """Return the columns of the table, a `pyarrow.Schema`; with `subsets` those that tell rigs with cameras off.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa = arrow()
    digest = pa.binary(32)
    columns = {"vehicle": pa.string(), "profile": digest, "plan": digest, "calibration": digest}
    columns |= {"build": pa.int32()} | ({"without": pa.list_(pa.string())} if subsets else {})
    return pa.schema(list(columns.items()), metadata={"schema": NAME})


def write_with_table(
    served: Sequence[Sequence[Vehicle]],
    lock_file: Path,
    write: Callable[[TableLine], None],
    subsets: bool = False,
) -> None:
    """Write the vehicles of a lock beside it, then the lock, then remove the vehicles of the locks before.

    Args:
        served: The vehicles of each build, in the order of the builds' lines.
        lock_file: The lock.
        write: Writes the lock, given the line that names the table.
        subsets: Whether some may be rigs with cameras off.

    Raises:
        SpecializeError: The place cannot be written.
        UsageError: pyarrow is not installed.
    """
    with only_one(lock_file.with_name(f".{lock_file.name}.writing"), f"write {lock_file}"):
        unnamed = lock_file.with_name(f"{lock_file.name}-new{SUFFIX}")
        schema = vehicle_columns(subsets)
        count = write_groups(_groups(served, schema), schema, unnamed, plain=("vehicle", "without")).rows
        found = digest_file(unnamed)
        table = lock_file.with_name(f"{lock_file.name}-{found.removeprefix(_SHA256)[:12]}{SUFFIX}")
        unnamed.replace(table)
        write(TableLine(table=table.name, vehicles=count, digest=found))
        remove_tables(lock_file, keep=table)


def remove_tables(lock_file: Path, keep: Path | None = None) -> None:
    """Remove the tables of earlier locks at a place."""
    ours = re.compile(rf"{re.escape(lock_file.name)}-([0-9a-f]{{12}}|new){re.escape(SUFFIX)}")
    for path in lock_file.parent.glob(f"*{SUFFIX}"):
        if ours.fullmatch(path.name) and path != keep:
            path.unlink(missing_ok=True)


def table_beside(line: TableLine, lock_file: Path, place: Path | None = None) -> Path:
    """Return where the table is that a lock names, after comparing it with its digest.

    Args:
        line: What the lock says of it.
        lock_file: The lock.
        place: Where the table is, if not beside the lock.

    Raises:
        InputError: It is not there, or not the one of the lock.
    """
    if Path(line.table).name != line.table or not line.table.endswith(SUFFIX):
        raise InputError(
            f"{lock_file}: table", f"the name of a table beside it, *{SUFFIX}", repr(line.table), AGAIN
        )
    table = place or lock_file.with_name(line.table)
    hint = f"restore it, or {AGAIN}"
    try:
        found = digest_file(table)
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise InputError(str(table), f"the vehicles of {lock_file}", what, hint) from error
    if found != line.digest:
        raise InputError(str(table), f"{line.digest}, as {lock_file} says", found, hint)
    return table


def read_columns(
    table: Path,
    line: TableLine,
    builds: Sequence[BuildLine],
    subsets: bool = False,
    unread: Collection[str] = (),
) -> Any:
    """Return the vehicles of a lock as a `pyarrow.Table`, 32 bytes for each digest of each.

    Args:
        table: The table.
        line: What the lock says of it.
        builds: The builds of the lock.
        subsets: Whether some may be rigs with cameras off.
        unread: Columns that are not wanted.

    Raises:
        InputError: It is no such table, or does not fit the lines of the lock.
        UsageError: pyarrow is not installed.
    """
    pa, compute = arrow(), arrow_compute()
    with opened_table(table, vehicle_columns(subsets), AGAIN) as file:
        try:
            found = file.read([name for name in vehicle_columns(subsets).names if name not in unread])
        except (pa.ArrowException, OSError) as error:
            raise unreadable(str(table), error) from None
    if len(found) != line.vehicles:
        raise InputError(str(table), f"{line.vehicles} vehicles", str(len(found)), AGAIN)
    if any(found.column(name).null_count for name in found.column_names if name != "plan"):
        raise InputError(str(table), "a name, digests and a build for each vehicle", "none for some", AGAIN)
    if compute.count_distinct(found.column("vehicle")).as_py() != len(found):
        raise InputError(str(table), "one row for each vehicle", "several for some", AGAIN)
    served = {one["values"]: one["counts"] for one in compute.value_counts(found.column("build")).to_pylist()}
    said = {number: one.vehicles for number, one in enumerate(builds)}
    if served != said:
        raise InputError(str(table), "as many vehicles for each build as its line says", "others", AGAIN)
    return found


class LockedVehicles(Made[Vehicle]):
    """The vehicles of a build, as rows of the table: a million of them need 120 MB until one is asked for."""

    def __init__(self, columns: Any, rows: NDArray[np.int64], fleet: Path) -> None:
        self._columns = columns
        self._rows = rows
        self._fleet = fleet

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Vehicle]:
        for vehicle, _ in vehicles_of(self._columns.take(self._rows), self._fleet):
            yield vehicle

    def one(self, index: int) -> Vehicle:
        """Return one vehicle."""
        row = int(self._rows[index])
        return next(vehicles_of(self._columns.slice(row, 1), self._fleet))[0]

    def names(self) -> tuple[str, ...]:
        """Return the names of all."""
        return tuple(self._columns.column("vehicle").take(self._rows).to_pylist())


def served_of(columns: Any, builds: Sequence[BuildLine], fleet: Path) -> list[LockedVehicles]:
    """Return the vehicles of each build: the one whose profile it carries, then the others by their paths.

    Args:
        columns: What `read_columns` returned, with all columns.
        builds: The builds of the lock.
        fleet: The table of profiles that the lock is of.
    """
    columns = columns.combine_chunks()
    names, numbers = columns.column("vehicle").combine_chunks(), columns.column("build").to_numpy()
    served = []
    for number, line in enumerate(builds):
        rows = np.flatnonzero(numbers == number)
        rows = rows[order_of_names(_profiles(columns.take(rows)))]
        first = rows == names.index(line.made_from).as_py()
        served.append(LockedVehicles(columns, np.concatenate([rows[first], rows[~first]]), fleet))
    return served


def vehicles_of(columns: Any, fleet: Path) -> Iterator[Row]:
    """Yield the rows of a table as vehicles, with the numbers of their builds.

    Args:
        columns: What `read_columns` returned, or some of its rows.
        fleet: The table of profiles that the lock is of.
    """
    for batch in columns.to_batches(GROUP):
        values = [batch.column(name).to_pylist() for name in vehicle_columns(False).names]
        off = missing_in(batch)
        for name, profile, plan, calibration, build, missing in zip(*values, off, strict=True):
            yield Vehicle(
                vehicle=name, path=place_of(fleet, whole_name(name, missing)), profile=_text(profile),
                plan=_text(plan), calibration=_text(calibration), without=missing,
            ), build  # fmt: skip


def missing_in(columns: Any) -> list[tuple[str, ...]]:
    """Return the cameras that are off in each row of what `read_columns` returned."""
    if "without" not in columns.schema.names:
        return [()] * columns.num_rows
    return [tuple(names) for names in columns.column("without").to_pylist()]


def _profiles(columns: Any) -> Any:
    """Return the names of the vehicles whose profiles some rows have."""
    names = columns.column("vehicle").combine_chunks()
    if "without" not in columns.schema.names:
        return names
    both = zip(names.to_pylist(), missing_in(columns), strict=True)
    return arrow().array([whole_name(*one) for one in both], arrow().string())


def _groups(served: Sequence[Sequence[Vehicle]], schema: Any) -> Iterator[Any]:
    """Yield the vehicles of builds, sorted by name, as tables of Arrow."""
    pa = arrow()
    names = np.array([name for vehicles in served for name in names_of(vehicles)], object)
    starts = np.cumsum([0, *map(len, served)])
    order = np.argsort(names, kind="stable")
    for part in np.split(order, range(GROUP, len(order), GROUP)):
        builds = np.searchsorted(starts, part, side="right") - 1
        digests = np.zeros((len(part), 3, 32), np.uint8)
        for build in np.unique(builds):
            mine = builds == build
            digests[mine] = digests_of(served[build], part[mine] - starts[build])
        columns = [_digest_column(digests[:, place]) for place in range(3)]
        every = [pa.array(names[part], pa.string()), *columns, pa.array(builds, pa.int32())]
        if "without" in schema.names:
            off = np.empty(len(part), object)
            for build in np.unique(builds):
                mine = builds == build
                off[mine] = missing_of_each(served[build], part[mine] - starts[build])
            every.append(pa.array([list(names) for names in off], schema.field("without").type))
        yield pa.table(every, schema=schema)


def _digest_column(digests: Digests) -> Any:
    """Return digests (R, 32) as a column; zeros are null."""
    pa = arrow()
    known = digests.any(axis=1)
    whole = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(digests), [None, pa.py_buffer(np.ascontiguousarray(digests).tobytes())]
    )
    return whole if known.all() else arrow_compute().if_else(pa.array(known), whole, None)


def _text(digest: bytes | None) -> str:
    return "" if digest is None else _SHA256 + digest.hex()
