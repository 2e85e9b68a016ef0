"""Profiles of many vehicles in one Parquet file, a row per vehicle (`table_row`).

A path below such a file names one vehicle: `fleet.parquet/car42`; a `/` or `%` in a name is written `%2F` or `%25`.
The entries mean what they mean in a profile, and `load` parses a row as it parses a file. Rows lie in groups of
`GROUP`, which are read whole, so a fleet of any size needs the memory of one group.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table_row import document_of, row_of, schema_of, stated_digest
from specialize.errors import InputError, closest
from specialize.files.far import is_file, near, publishing, shown
from specialize.files.paths import Paths
from specialize.files.tables import (
    SUFFIX,
    Written,
    arrow,
    arrow_compute,
    opened_table,
    unreadable,
    write_groups,
)

Bytes: TypeAlias = NDArray[np.uint8]

GROUP = 1024
"""Rows of a group: half a megabyte for six cameras."""
_QUOTED = r"[^A-Za-z0-9_.-]"
"""What a path may hold otherwise than a name does, or beside what is quoted."""


def table_of(path: Path) -> Path | None:
    """Return the table that a path leads into; None for other paths, and for the table itself."""
    return path.parent if path.parent.suffix == SUFFIX else None


def is_table(path: Path) -> bool:
    """Whether a path is that of a table of profiles."""
    return path.suffix == SUFFIX and is_file(path)


def place_of(table: Path, vehicle: str) -> Path:
    """Return the path that names a vehicle of a table."""
    return table / _quoted(vehicle)


def _quoted(vehicle: str) -> str:
    return quote(vehicle, safe=" !#$&'()*+,:;=?@[]~")


def write_table(profiles: Iterable[CalibrationProfile], path: Path) -> Written:
    """Write profiles, in their order; return how much that was.

    Raises:
        UsageError: pyarrow is not installed.
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    pa = arrow()
    schema = schema_of(pa)
    groups = (pa.Table.from_pylist(rows, schema=schema) for rows in _groups(profiles))
    with publishing(path) as place:
        return write_groups(groups, schema, place, plain=("vehicle",))


def rows_as_table(rows: list[dict[str, Any]]) -> Any:
    """Return what `row_of` made of some profiles as a `pyarrow.Table`.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa = arrow()
    return pa.Table.from_pylist(rows, schema=schema_of(pa))


def write_rows(parts: Iterable[Any], path: Path) -> Written:
    """Write the rows of vehicles, tables as `rows_as_table` makes them, in the bytes of `write_table`.

    Raises:
        UsageError: pyarrow is not installed.
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    with publishing(path) as place:
        return write_groups(_regrouped(parts), schema_of(arrow()), place, plain=("vehicle",))


class Vehicles(Paths):
    """The paths of all vehicles of a table, in its order.

    Raises:
        InputError: The file is no table of profiles.
        UsageError: pyarrow is not installed.
    """

    def __init__(self, table: Path) -> None:
        super().__init__(names_of(table))
        self.table = table

    def _path(self, name: Any) -> Path:
        return place_of(self.table, name.as_py())

    def order_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the order (M,) that the texts of some paths give, by their places, without making the paths."""
        return order_of_names(self._names.take(arrow().array(places)))


def order_of_names(names: Any) -> NDArray[np.int64]:
    """Return the order (M,) that the texts of the paths of vehicles give, from their names, a pyarrow array."""
    compute = arrow_compute()
    if compute.any(compute.match_substring_regex(names, _QUOTED)).as_py():
        return np.argsort(np.array([_quoted(name.as_py()) for name in names], object), kind="stable")
    return np.asarray(compute.array_sort_indices(names).to_numpy(), np.int64)


def read_row(table: Path, member: str) -> tuple[dict[str, Any], str]:
    """Return the document of a vehicle's profile, and the digest that the table states.

    Args:
        table: The table.
        member: The vehicle's name, quoted as in a path.

    Raises:
        InputError: The file is no table of profiles, or has no such vehicle.
        UsageError: pyarrow is not installed.
    """
    row = _reader(table, _state(table)).row(unquote(member))
    if row["digest"] is None:
        raise InputError(f"{table / member}: digest", "the sha256 of the profile", "none", "pack it again")
    return document_of(row, str(table)), stated_digest(row)


def read_group(table: Path, number: int) -> Any:
    """Return the rows of one group of `GROUP`, as a `pyarrow.Table`.

    Raises:
        InputError: The file is no table of profiles, or has no such group.
        UsageError: pyarrow is not installed.
    """
    with _opened(table) as file:
        if not 0 <= number < file.num_row_groups:
            raise InputError(str(table), f"a group {number} of rows", f"{file.num_row_groups} groups")
        return file.read_row_group(number)


class _Reader:
    """Finds rows by names; keeps the group that the last one is in, because vehicles are asked for in order."""

    def __init__(self, table: Path) -> None:
        self.table = table
        self._names = names_of(table)
        self._rows: dict[str, dict[str, Any]] = {}

    def row(self, vehicle: str) -> dict[str, Any]:
        """Return the row of a vehicle."""
        if vehicle not in self._rows:
            self._rows = self._group_of(vehicle)
        return self._rows[vehicle]

    def _group_of(self, vehicle: str) -> dict[str, dict[str, Any]]:
        index = self._names.index(vehicle).as_py()
        if index < 0:
            hint = closest(vehicle, self._names.slice(0, 10_000).to_pylist())
            raise InputError(str(self.table), f"a vehicle {vehicle!r}", "none", hint)
        with _opened(self.table) as file:
            rows = file.read_row_group(index // GROUP).to_pylist()
        found = {row["vehicle"]: row for row in rows}
        if vehicle not in found:
            raise InputError(str(self.table), f"groups of {GROUP} rows", "others", "pack the table again")
        return found


@functools.lru_cache(maxsize=2)
def _reader(table: Path, state: tuple[int, ...]) -> _Reader:
    """Return the reader of a table; of a new one if the table was written again."""
    return _Reader(table)


def names_of(table: Path) -> Any:
    """Return the vehicles of a table, in order, as a pyarrow array.

    Raises:
        InputError: The file is no table of profiles, or has no vehicle.
        UsageError: pyarrow is not installed.
    """
    with _opened(table) as file:
        names = file.read(columns=["vehicle"]).column(0).combine_chunks()
    arrow().default_memory_pool().release_unused()  # of what a million names were read from
    if not len(names):
        raise InputError(shown(table), "at least one vehicle", "none")
    return names


@dataclass(frozen=True, slots=True, eq=False)
class Digests:
    """What a table says of its vehicles without their calibrations.

    Attributes:
        names: Their names, a `pyarrow.StringArray`.
        digests: The digests that the rows state, (V, 32).
        unreadable: Places in the table whose rows cannot be read, why, and how many rows.
    """

    names: Any
    digests: Bytes
    unreadable: tuple[tuple[Path, str, int], ...]


def read_digests(table: Path) -> Digests:
    """Return names and digests of a table, after reading all of it against its checksums, group by group.

    Raises:
        InputError: The file is no table of profiles, or no row can be read.
        UsageError: pyarrow is not installed.
    """
    pa, compute = arrow(), arrow_compute()
    parts: list[Any] = []
    bad: list[tuple[Path, str, int]] = []
    with _opened(table) as file:
        first = 0
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            place = table / f"rows {first + 1} to {first + count}"
            try:
                part = file.read_row_group(number).select(["vehicle", "digest"])
            except (pa.ArrowException, OSError) as error:
                bad.append((place, unreadable(str(table), error).found, count))
            else:
                whole = part.filter(compute.and_(part["vehicle"].is_valid(), part["digest"].is_valid()))
                if len(whole) < count:
                    bad.append((place, "rows without a name or a digest", count - len(whole)))
                parts.append(whole)
            first += count
    found = pa.concat_tables(parts) if parts else None
    if found is None or not len(found):
        raise InputError(shown(table), "at least one vehicle", "none", bad[0][1] if bad else "")
    return Digests(found["vehicle"].combine_chunks(), bytes_of(found["digest"]), tuple(bad))


def bytes_of(column: Any) -> Bytes:
    """Return a column of digests, none of them null, as (V, 32) bytes."""
    array = column.combine_chunks()
    whole = np.frombuffer(array.buffers()[1], np.uint8).reshape(-1, 32)
    return whole[array.offset : array.offset + len(array)]


def _state(table: Path) -> tuple[int, ...]:
    """Return what changes when a table is written again."""
    try:
        found = os.stat(near(table))  # noqa: PTH116  once per vehicle
    except OSError as error:
        raise InputError(str(table), "a readable file", error.strerror or str(error)) from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _opened(table: Path) -> AbstractContextManager[Any]:
    """Return the open table.

    Raises:
        InputError: It is none, or damaged.
    """
    return opened_table(near(table), schema_of(arrow()), "pack it again: specialize fleet pack", shown(table))


def _regrouped(parts: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of some tables in groups."""
    concat = arrow().concat_tables
    held: list[Any] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= GROUP:
            whole = concat(held)
            for start in range(0, len(whole) - GROUP + 1, GROUP):
                yield whole.slice(start, GROUP).combine_chunks()
            held = [whole.slice(len(whole) - len(whole) % GROUP)]
    if sum(map(len, held)):
        yield concat(held).combine_chunks()


def _groups(profiles: Iterable[CalibrationProfile]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of profiles in groups."""
    rows: list[dict[str, Any]] = []
    for profile in profiles:
        rows.append(row_of(profile))
        if len(rows) == GROUP:
            yield rows
            rows = []
    if rows:
        yield rows
