"""Open and write Parquet files whose columns are known; pyarrow is imported when one is.

Every page carries a checksum, so that a flipped bit is an error and no other number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from specialize.errors import InputError, missing_package
from specialize.files.atomic import replacing

SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class Written:
    """How much was written to a table: its rows, and the bytes of the file."""

    rows: int
    bytes: int


@contextlib.contextmanager
def opened_table(path: Path, schema: Any, hint: str, where: str = "") -> Iterator[Any]:
    """Yield an open table, a `pyarrow.parquet.ParquetFile`.

    Args:
        path: The file.
        schema: Its columns, and in their metadata what they are called: `schema`.
        hint: What writes such tables.
        where: What errors call the file, if not by its path.

    Raises:
        InputError: It is no such table, or damaged.
        UsageError: pyarrow is not installed.
    """
    where = where or str(path)
    pa, parquet = arrow(), arrow_parquet()
    name = schema.metadata[b"schema"].decode()
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if (file.schema_arrow.metadata or {}).get(b"schema") != name.encode():
                found = "columns " + ", ".join(file.schema_arrow.names[:6])
                raise InputError(where, f"a table {name!r}", found, hint)
            if not file.schema_arrow.equals(schema):
                raise InputError(where, f"the columns of {name!r}", "others", hint)
            yield file
    except (pa.ArrowException, OSError) as error:
        raise unreadable(where, error) from None


def unreadable(where: str, error: Exception) -> InputError:
    """Return what is said of a file that Arrow cannot read."""
    return InputError(where, "a readable Parquet file", str(error).splitlines()[0][:200])


def write_groups(groups: Iterable[Any], schema: Any, path: Path, plain: Collection[str] = ()) -> Written:
    """Write tables of Arrow as the groups of one file, in one step; return how much that was.

    Bytes of numbers are compressed place by place: signs and exponents, in which vehicles agree, next to each other.

    Args:
        groups: The tables.
        schema: Their columns.
        path: The file.
        plain: Columns whose values do not repeat.

    Raises:
        UsageError: pyarrow is not installed.
        SpecializeError: The disk is full, read-only, or not ours to write.
    """
    parquet, leaves = arrow_parquet(), list(_leaves(schema))
    count = 0
    with (
        replacing(path) as file,
        parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            write_page_checksum=True,
            version="2.6",
            use_byte_stream_split=[name for name, kind in leaves if arrow().types.is_float64(kind)],
            use_dictionary=[name for name, kind in leaves if name not in plain and _repeats(kind)],
        ) as writer,
    ):
        for group in groups:
            writer.write_table(group, row_group_size=max(1, group.num_rows))
            count += group.num_rows
    return Written(count, path.stat().st_size)


def _leaves(fields: Iterable[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the columns that a file has for some fields, by the names of Parquet, and their types."""
    types = arrow().types
    for each in fields:
        if types.is_struct(each.type):
            yield from _leaves(each.type, f"{above}{each.name}.")
        elif types.is_list(each.type):
            element = arrow().field("element", each.type.value_type)
            yield from _leaves([element], f"{above}{each.name}.list.")
        else:
            yield f"{above}{each.name}", each.type


def _repeats(kind: Any) -> bool:
    types = arrow().types
    return bool(types.is_string(kind) or types.is_integer(kind))


def arrow() -> ModuleType:
    """Return the module pyarrow.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise missing_package("a table of profiles", "pyarrow", "formats", "to read and write it") from None
    module: ModuleType = pyarrow
    return module


def arrow_parquet() -> ModuleType:
    """Return the module pyarrow.parquet; raises what `arrow` does."""
    arrow()
    from pyarrow import parquet

    module: ModuleType = parquet
    return module


def arrow_compute() -> ModuleType:
    """Return the module pyarrow.compute; raises what `arrow` does."""
    arrow()
    from pyarrow import compute

    module: ModuleType = compute
    return module
