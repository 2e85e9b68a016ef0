"""Calibrations of many vehicles in another format, made into a folder of profiles."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialize.calibration.dump import dump_profile
from specialize.calibration.formats.importer import option_values, read_format
from specialize.calibration.lint.findings import Severity
from specialize.calibration.lint.rules import lint
from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.fleet.load import Failed, UniqueNames, over_paths
from specialize.text.record import Record


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
        folder: Folder of the profiles.
        seconds: Wall time.
        vehicles: Those that were written, in the order of their sources.
        failed: Sources that could not be imported, and why.
    """

    format: str
    folder: Path
    seconds: float
    vehicles: tuple[ImportedVehicle, ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """One calibration as the text of a profile, and what lint found."""

    source: Path
    vehicle: str
    text: str
    findings: tuple[BrokenRule, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """Reads one calibration and looks it over; runs in other processes."""

    format: str
    options: Mapping[str, str]

    def __call__(self, path: Path) -> _Found:
        profile = read_format(self.format, path, self.options)
        found = dict.fromkeys(BrokenRule(finding.code, finding.severity) for finding in lint(profile))
        return _Found(path, profile.vehicle, dump_profile(profile), tuple(found))


def import_fleet(
    format_name: str,
    sources: Sequence[Path],
    options: Mapping[str, str],
    folder: Path,
    jobs: int | None = None,
) -> FleetImported:
    """Write `<vehicle>.yaml` for each source; one that cannot be imported stops no other.

    Args:
        format_name: A key of `FORMATS`.
        sources: A file or folder for each vehicle.
        options: Options of the format, the same for all.
        folder: Where the profiles are written; made if need be.
        jobs: Number of processes; None takes one per core for fleets that are worth it.

    Raises:
        UsageError: The format or an option is unknown, or a value does not fit its option.
        SpecializeError: The folder cannot be written.
    """
    start = time.perf_counter()
    option_values(format_name, options)
    vehicles: list[ImportedVehicle] = []
    failed: list[Failed] = []
    names = UniqueNames()
    for one in over_paths(sources, _Read(format_name, options), jobs):
        done = one if isinstance(one, Failed) else _written(one, folder, names)
        if isinstance(done, Failed):
            failed.append(done)
        else:
            vehicles.append(done)
    return FleetImported(
        format=format_name, folder=folder, vehicles=tuple(vehicles), failed=tuple(failed),
        seconds=round(time.perf_counter() - start, 3),
    )  # fmt: skip


def _written(one: _Found, folder: Path, names: UniqueNames) -> ImportedVehicle | Failed:
    """Write one profile, unless a vehicle of the same name was written before."""
    name = one.vehicle.replace("/", "_")
    try:
        names.add(name, one.source)
    except InputError as error:
        return Failed(one.source, str(error))
    path = folder / f"{name}.yaml"
    write_file(path, one.text)
    return ImportedVehicle(vehicle=one.vehicle, source=one.source, path=path, findings=one.findings)
