"""Records as JSON, and long lists in them that are never in memory at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialize.cli.output import json_text
from specialize.text.record import Each, Record, Stream, streamed, to_json


class Row(Record, frozen=True):
    """A record of a list."""

    number: int
    path: Path


class Whole(Record, frozen=True):
    """A record with a list."""

    name: str
    rows: tuple[Row, ...]
    last: int


class Folder(Record, frozen=True):
    """A record with a list of records that have lists."""

    wholes: tuple[Whole, ...]
    name: str


def row(number: int) -> Row:
    """Return a record."""
    return Row(number=number, path=Path(f"{number}.yaml"))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_stream_is_written_as_its_list(count: int) -> None:
    """The text is that of the same record with a tuple, key for key and line for line."""
    plain = Whole(name="fleet", rows=tuple(map(row, range(count))), last=1)
    each = Whole(name="fleet", rows=Each(range(count), row), last=1)  # type: ignore[arg-type]
    wanted = {"schema": "rows@1"} | to_json(plain)
    assert json_text({"schema": "rows@1"} | streamed(each)) == json.dumps(wanted, indent=2)
    assert to_json(each) == to_json(plain) and streamed(plain) == to_json(plain)


def test_lists_within_a_list_are_streams_as_well() -> None:
    """However deep a list stands, the text is that of the record with tuples, and no record is made before its turn."""
    made: list[int] = []
    plain = Whole(name="b", rows=tuple(map(row, range(2))), last=1)
    each = Whole(name="b", rows=Each(range(2), lambda n: made.append(n) or row(n)), last=1)  # type: ignore[arg-type, func-returns-value]
    stream = streamed(Folder(wholes=(plain, each), name="all"))
    assert made == []
    wanted = {"schema": "folder@1"} | to_json(Folder(wholes=(plain, plain), name="all"))
    assert json_text({"schema": "folder@1"} | stream) == json.dumps(wanted, indent=2)
    assert made == [0, 1]


def test_records_are_made_one_after_the_other() -> None:
    """When a record is made, that of the one before has been written."""
    made: list[int] = []
    stream = streamed(Whole(name="", rows=Each(range(3), lambda n: made.append(n) or row(n)), last=0))["rows"]  # type: ignore[arg-type, func-returns-value]
    assert isinstance(stream, Stream) and made == [] and len(stream) == 3
    texts = iter(stream)
    assert next(texts) == {"number": 0, "path": "0.yaml"} and made == [0]


def test_each_is_a_sequence() -> None:
    """Its records have places and ends."""
    each = Each(range(5), row)
    assert (len(each), each[-1].number, [one.number for one in each[1:3]]) == (5, 4, [1, 2])
    assert [one.number for one in each] == list(range(5))
