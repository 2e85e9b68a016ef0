"""A fleet's profiles put into one table, and taken out of it again: the same numbers and digests both ways."""

from __future__ import annotations

import array
import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from specialize.calibration.dump import dump_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import write_rows
from specialize.errors import InputError, UsageError
from specialize.files.atomic import write_file
from specialize.files.tables import SUFFIX
from specialize.fleet.load import Failed, each_once, fleet_files, over_profiles
from specialize.fleet.pack_rows import pack_rows
from specialize.fleet.sampling import crew_of
from specialize.fleet.survey import chunks_of
from specialize.text.record import Record


class FleetPacked(Record, frozen=True, kw_only=True):
    """`specialize fleet pack --json`.

    Attributes:
        table: The table.
        bytes: Its size.
        vehicles: How many it has.
        failed: Profiles that could not be used, and why; they are not in the table.
    """

    table: Path
    bytes: int
    vehicles: int
    failed: tuple[Failed, ...]


class FleetUnpacked(Record, frozen=True, kw_only=True):
    """`specialize fleet unpack --json`.

    Attributes:
        folder: Folder of the profiles.
        vehicles: How many were written.
        failed: Rows that could not be used, and why.
    """

    folder: Path
    vehicles: int
    failed: tuple[Failed, ...]


_Found = tuple[Path, CalibrationProfile]


@dataclasses.dataclass(frozen=True, slots=True)
class _Profile:
    """Reads a profile; runs in other processes."""

    def __call__(self, path: Path, profile: CalibrationProfile) -> _Found:
        return path, profile


def pack_fleet(
    fleets: Sequence[Path], table: Path, jobs: int | None = None, executor: Executor | None = None
) -> FleetPacked:
    """Write the profiles of folders and tables into one table, in their order.

    Args:
        fleets: Folders and tables.
        table: Where to write.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        executor: Where profiles are read, instead of processes of this machine.

    Raises:
        UsageError: The output is not named `*.parquet`, or pyarrow is not installed.
        InputError: A fleet has no profile, or no profile can be used, or two are of one vehicle.
    """
    if table.suffix != SUFFIX:
        raise UsageError("-o", f"the name of a table, *{SUFFIX}", repr(table.name))
    failed: list[Failed] = []
    rows = _named_once([fleet_files(fleet) for fleet in fleets], failed, jobs, executor)
    written = write_rows(rows, table)
    return FleetPacked(table=table, bytes=written.bytes, vehicles=written.rows, failed=tuple(failed))


def _named_once(
    fleets: Sequence[Sequence[Path]], failed: list[Failed], jobs: int | None, executor: Executor | None
) -> Iterator[Any]:
    """Yield the rows of some fleets, as tables of Arrow; what cannot be read is added to `failed`.

    Of a vehicle that passed only 8 bytes are kept. If two agree in them, all are read again, to name the two.

    Raises:
        InputError: No profile can be used, or two are of vehicles with one name.
    """
    passed = array.array("Q")
    for files in fleets:
        with crew_of(files, jobs, executor) as crew:
            for part in crew.in_order(chunks_of(files), pack_rows):
                failed += part.failed
                passed.extend(map(_mark, part.rows.column("vehicle").to_pylist()))
                yield part.rows
    if not passed:
        raise InputError(str(failed[0].path), "a profile that can be used", "none", failed[0].reason)
    marks, counts = np.unique(np.frombuffer(passed, np.uint64), return_counts=True)
    if suspects := set(marks[counts > 1].tolist()):
        again = (
            one
            for one in _found(fleets, jobs)
            if not isinstance(one, Failed) and _mark(one[1].vehicle) in suspects
        )
        collections.deque(each_once(again, [], _name), maxlen=0)


def _found(fleets: Sequence[Sequence[Path]], jobs: int | None) -> Iterator[_Found | Failed]:
    return itertools.chain.from_iterable(over_profiles(paths, _Profile(), jobs) for paths in fleets)


def _mark(name: str) -> int:
    """Return 8 bytes that nearly always tell two names apart."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def _name(found: _Found) -> tuple[str, Path]:
    return found[1].vehicle, found[0]


def _file_name(found: _Found) -> tuple[str, Path]:
    return _as_file(found[1]), found[0]


def _as_file(profile: CalibrationProfile) -> str:
    return profile.vehicle.replace("/", "_")


def unpack_fleet(table: Path, folder: Path, jobs: int | None = None) -> FleetUnpacked:
    """Write `<vehicle>.yaml` for every vehicle of a table; one that is damaged stops no other.

    Raises:
        InputError: The file is no table of profiles, or two vehicles would have one file.
        UsageError: pyarrow is not installed.
    """
    failed: list[Failed] = []
    count = 0
    for _, profile in each_once(over_profiles(fleet_files(table), _Profile(), jobs), failed, _file_name):
        write_file(folder / f"{_as_file(profile)}.yaml", dump_profile(profile))
        count += 1
    return FleetUnpacked(folder=folder, vehicles=count, failed=tuple(failed))
