"""The lines of a lock: what each may hold, and how a text of them is parsed.

A lock names its vehicles in lines of their own, or in a table beside it (`lock_table`); everything else is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from specialize.errors import InputError
from specialize.fleet.lock_request import request_of
from specialize.fleet.lock_words import SCHEMA as FIRST_SCHEMA
from specialize.fleet.lock_words import lines_of_words
from specialize.fleet.request import FleetRequest
from specialize.request import Mode

SCHEMA = "specialize/fleet-lock@2"
AGAIN = "plan the fleet again"

Line = dict[str, Any]
Kind = TypeVar("Kind")


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: what is true of the whole lock."""

    schema: str
    compiler: str
    spec: str
    source: str


class BuildLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The line of a build.

    `vehicles` is how many it serves, said where they are in a table.
    """

    build: str
    mode: Mode
    made_from: str
    pairs: int
    lengths: tuple[tuple[int, ...], ...]
    vehicles: int | None = None


class VehicleLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The line of a vehicle; `without` names the cameras that are off."""

    vehicle: str
    path: str
    profile: str
    plan: str
    calibration: str
    build: str
    without: tuple[str, ...] = ()


class TableLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The line that stands for all vehicles: a table beside the lock, how many it has, and the digest of its file."""

    table: str
    vehicles: int
    digest: str


@dataclass(frozen=True, slots=True)
class Outline:
    """A lock as its text says it.

    Attributes:
        text: The text.
        head: What is true of the whole lock.
        request: What was asked for.
        builds: By key, in the order of the lines.
        vehicles: By name; empty if they are in a table.
        table: The table that holds the vehicles; None if they are lines.
    """

    text: str
    head: Head
    request: FleetRequest
    builds: dict[str, BuildLine]
    vehicles: dict[str, VehicleLine]
    table: TableLine | None

    @property
    def count(self) -> int:
        """Number of vehicles, those with cameras off among them."""
        return len(self.vehicles) if self.table is None else self.table.vehicles


def parse_outline(text: str, path: Path) -> Outline:
    """Parse the text of a lock at `path`, of this version or of the one before.

    Raises:
        InputError: A line is not one of a lock's, two are of one vehicle, or one is missing.
    """
    lines = enumerate(text.split("\n"), start=1)
    numbered = [(f"{path}: line {number}", line.rstrip("\r")) for number, line in lines if line.strip()]
    first = numbered[0][1] if numbered else "an empty file"
    if first == f"schema {FIRST_SCHEMA}":
        return _outline(text, lines_of_words(numbered, SCHEMA), path)
    if numbered and SCHEMA in first:
        return _outline(text, ((where, _parsed(line, where)) for where, line in numbered), path)
    raise InputError(f"{path}: line 1", f"schema {SCHEMA}", repr(first[:60]), AGAIN)


def _outline(text: str, lines: Iterable[tuple[str, Line]], path: Path) -> Outline:
    """Return the outline of lines, each with its place in the file."""
    head: Head | None = None
    request: FleetRequest | None = None
    builds: dict[str, BuildLine] = {}
    vehicles: dict[str, VehicleLine] = {}
    tables: dict[str, TableLine] = {}
    for where, line in lines:
        if head is None:
            head = _typed(line, Head, where)
        elif "vehicle" in line:
            _add(vehicles, _typed(line, VehicleLine, where), line["vehicle"], where)
        elif "build" in line:
            _add(builds, _typed(line, BuildLine, where), line["build"], where)
        elif "table" in line:
            _add(tables, _typed(line, TableLine, where), "the vehicles", where)
        elif "request" in line:
            request = request_of(line["request"], path.parent, where)
        else:
            raise InputError(where, "a request, a build or a vehicle", ", ".join(line)[:60], AGAIN)
    if head is None or request is None:
        raise InputError(str(path), "a line with the request", "none", AGAIN)
    if tables and vehicles:
        raise InputError(str(path), "vehicles as lines or in a table", "both", AGAIN)
    return Outline(text, head, request, builds, vehicles, next(iter(tables.values()), None))


def _add(known: dict[str, Kind], one: Kind, name: str, where: str) -> None:
    """Keep a line by its name.

    Raises:
        InputError: There is one of that name already.
    """
    if name in known:
        raise InputError(where, "one line for each build and vehicle", f"a second one for {name}", AGAIN)
    known[name] = one


def _parsed(text: str, where: str) -> Line:
    """Return one line as an object.

    Raises:
        InputError: It is none.
    """
    try:
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(where, "a line of a lock", str(error), AGAIN) from error


def _typed(line: Line, kind: type[Kind], where: str) -> Kind:
    """Return one line as a record.

    Raises:
        InputError: It has other keys, or values of other types.
    """
    try:
        return msgspec.convert(line, kind)
    except msgspec.ValidationError as error:
        raise InputError(where, "a line of a lock", str(error), AGAIN) from error
