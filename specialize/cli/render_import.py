"""Calibrations of other formats: what was imported, and what can be."""

from __future__ import annotations

from pathlib import Path

from specialize.cli.render_failed import failed_line
from specialize.cli.render_profile import check_text
from specialize.cli.schemas.profiles import Format, Imported, ProfileFormats
from specialize.fleet.importing import BrokenRule, FleetImported
from specialize.fleet.load import Failed
from specialize.fleet.packing import FleetPacked, FleetUnpacked
from specialize.text.document import Document, Table, table, words
from specialize.text.terminal import command
from specialize.text.units import counted, size


def import_text(imported: Imported) -> Document:
    """Return what `specialize profile import` shows."""
    profile = imported.result.profile
    names = () if profile is None else profile.camera_names()
    usable = "" if imported.result.ok else ", which no model can use as it is"
    order = f"cameras, in this order: {', '.join(names)}"
    return (
        f"imported {imported.source} ({imported.format}) to {imported.result.path}{usable}",
        order,
        *check_text((imported.result,)),
        f"next: specialize profile show {command(Path(imported.result.path))}",
    )


def fleet_text(found: FleetImported) -> Document:
    """Return what `specialize fleet import` shows: what lint found, by rule, and what failed."""
    many = counted(found.written, "vehicle")
    head = f"imported {many} ({found.format}) to {found.folder} in {found.seconds:.1f} s"
    whom: dict[BrokenRule, list[str]] = {}
    for one in found.vehicles:
        for finding in one.findings:
            whom.setdefault(finding, []).append(one.vehicle)
    rows = (
        (rule.code, rule.severity, f"{len(vehicles):,}", vehicles[0])
        for rule, vehicles in sorted(whom.items())
    )
    body = table("rule", "severity", "vehicles", "such as", rows=rows)
    parts: list[str | Table] = [head, body] if whom else [head]
    parts += _failed(found.failed)
    parts.append(f"next: specialize fleet diff {command(Path(found.folder))}")
    return tuple(parts)


def packed_text(found: FleetPacked) -> Document:
    """Return how many vehicles a table has, and which profiles are not in it."""
    head = f"packed {counted(found.vehicles, 'vehicle')} into {found.table}, {size(found.bytes)}"
    return (head, *_failed(found.failed), f"next: specialize fleet diff {command(found.table)}")


def unpacked_text(found: FleetUnpacked) -> Document:
    """Return how many profiles were written, and which rows of the table are damaged."""
    head = f"unpacked {counted(found.vehicles, 'vehicle')} to {found.folder}"
    return (head, *_failed(found.failed), f"next: specialize fleet diff {command(found.folder)}")


def _failed(failed: tuple[Failed, ...]) -> list[str]:
    return [failed_line(one) for one in failed]


def formats_text(found: ProfileFormats, name: str | None = None) -> Document:
    """Return the list of formats, or all that is known about the one that is named."""
    if name is not None:
        return _format_text(name, found.formats[name])
    rows = ((name, one.description.partition("\n")[0]) for name, one in found.formats.items())
    return (table(*words("format", "what"), rows=rows), "next: specialize profile formats FORMAT")


def _format_text(name: str, one: Format) -> Document:
    """Return all that is known about one format."""
    rows = ((option, _default(one, option), one.explained.get(option, "")) for option in one.options)
    body = table(*words("option", "default", "what"), rows=rows)
    needed = "".join(f" -O {option}=VALUE" for option in one.options if _is_required(one, option))
    return (one.description, body, f"next: specialize profile import {name} PATH{needed} -o profile.yaml")


def _default(one: Format, option: str) -> str:
    default = one.options[option]
    if isinstance(default, bool):
        return str(default).lower()
    return "required" if _is_required(one, option) else str(default) or "-"


def _is_required(one: Format, option: str) -> bool:
    return one.explained.get(option, "").rstrip(".").endswith("; required")
