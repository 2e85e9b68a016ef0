"""Calibrations of many vehicles in another format, made into a folder or a table of profiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from specialize.calibration.dump import dump_profile
from specialize.calibration.formats.importer import option_values, read_format
from specialize.calibration.lint.findings import Severity
from specialize.calibration.lint.rules import lint
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import place_of, write_table
from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.tables import SUFFIX
from specialize.fleet.load import Failed, UniqueNames, over_paths
from specialize.text.record import Record

LISTED = 1000


class BrokenRule(Record, frozen=True, order=True):
    """A rule that a profile breaks.

    Attributes:
        code: Name of the rule.
        severity: How grave it is.
    """

    code: str
    severity: Severity


class ImportedVehicle(Record, frozen=True, kw_only=True):
    """A vehicle whose profile was written.

    Attributes:
        vehicle: Its name.
        source: What was imported.
        path: Its profile.
        findings: Every rule that it breaks, once; `specialize profile check` says where and how to mend it.
    """

    vehicle: str
    source: Path
    path: Path
    findings: tuple[BrokenRule, ...]

    @property
    def usable(self) -> bool:
        """Whether lint found no error."""
        return all(finding.severity != "error" for finding in self.findings)


class FleetImported(Record, frozen=True, kw_only=True):
    """`specialize fleet import --json`.

    Attributes:
        format: Name of the format.
        folder: Folder or table of the profiles.
        seconds: Wall time.
        written: Number of profiles.
        vehicles: Those that were written, in the order of their sources; in a table the first 1000 that break a rule.
        failed: Sources that could not be imported, and why.
    """

    format: str
    folder: Path
    seconds: float
    written: int
    vehicles: tuple[ImportedVehicle, ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """One calibration as a profile, and what lint found."""

    source: Path
    profile: CalibrationProfile
    findings: tuple[BrokenRule, ...]

    def told(self, path: Path) -> ImportedVehicle:
        """Return what is said of it, written to a path."""
        return ImportedVehicle(
            vehicle=self.profile.vehicle, source=self.source, path=path, findings=self.findings
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """Reads one calibration and looks it over; runs in other processes."""

    format: str
    options: Mapping[str, str]

    def __call__(self, path: Path) -> _Found:
        profile = read_format(self.format, path, self.options)
        found = dict.fromkeys(BrokenRule(finding.code, finding.severity) for finding in lint(profile))
        return _Found(path, profile, tuple(found))


@dataclass(slots=True)
class _Done:
    """What was written, and what could not be."""

    written: int = 0
    vehicles: list[ImportedVehicle] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def import_fleet(
    format_name: str,
    sources: Sequence[Path],
    options: Mapping[str, str],
    output: Path,
    jobs: int | None = None,
    executor: Executor | None = None,
) -> FleetImported:
    """Write `<vehicle>.yaml`, or a row of a table, for each source; one that cannot be imported stops no other.

    Args:
        format_name: A key of `FORMATS`.
        sources: A file or folder for each vehicle.
        options: Options of the format, the same for all.
        output: Folder where the profiles are written, made if need be, or the table, `*.parquet`.
        jobs: Number of processes; None takes one per core for fleets that are worth it.
        executor: Where calibrations are read, instead of processes of this machine.

    Raises:
        UsageError: The format or an option is unknown, or a value does not fit its option.
        InputError: A table would have no row.
        SpecializeError: The output cannot be written.
    """
    start = time.perf_counter()
    option_values(format_name, options)
    found = over_paths(sources, _Read(format_name, options), jobs, executor)
    done = _Done()
    if output.suffix == SUFFIX:
        write_table(_rows(found, output, done), output)
    else:
        _write_files(found, output, done)
    return FleetImported(
        format=format_name, folder=output, written=done.written, vehicles=tuple(done.vehicles),
        failed=tuple(done.failed), seconds=round(time.perf_counter() - start, 3),
    )  # fmt: skip


def _rows(found: Iterable[_Found | Failed], table: Path, done: _Done) -> Iterator[CalibrationProfile]:
    """Yield what becomes the rows of a table."""
    for one in _once(found, done, lambda one: one.profile.vehicle):
        if one.findings and len(done.vehicles) < LISTED:
            done.vehicles.append(one.told(place_of(table, one.profile.vehicle)))
        yield one.profile
    if not done.written:
        reason = done.failed[0].reason if done.failed else ""
        raise InputError(str(table), "a calibration that can be imported", "none", reason)


def _write_files(found: Iterable[_Found | Failed], folder: Path, done: _Done) -> None:
    """Write each profile to a file."""
    for one in _once(found, done, _file_name):
        path = folder / _file_name(one)
        write_file(path, dump_profile(one.profile))
        done.vehicles.append(one.told(path))


def _file_name(one: _Found) -> str:
    return f"{one.profile.vehicle.replace('/', '_')}.yaml"


def _once(found: Iterable[_Found | Failed], done: _Done, named: Callable[[_Found], str]) -> Iterator[_Found]:
    """Yield calibrations; those that cannot be read, or whose name another one has, are added to what failed."""
    names = UniqueNames()
    for one in found:
        if isinstance(one, Failed):
            done.failed.append(one)
            continue
        try:
            names.add(named(one), one.source)
        except InputError as error:
            done.failed.append(Failed(one.source, str(error)))
            continue
        done.written += 1
        yield one
