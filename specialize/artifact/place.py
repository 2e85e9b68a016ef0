"""Where a build goes: a folder named after its vehicle, in place of an older build and of nothing else."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact.build import MODEL, PROFILE
from specialize.artifact.manifest import FILE_NAME, read_manifest
from specialize.digest import digest_bytes, short
from specialize.errors import InputError
from specialize.files import explained

LONGEST_NAME = 100
"""Bytes of a vehicle's name that a folder takes over; file systems allow 255, and siblings have longer names."""

_SHOWN = 3


def folder_name(vehicle: str) -> str:
    """Return one part of a path for a vehicle: its name where that is one, else one that is like it and as unique.

    A name from a file must not choose the folder: `/`, `..` and control characters lead elsewhere or nowhere.
    """
    plain = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in vehicle).lstrip(".-")
    cut = plain.encode()[:LONGEST_NAME].decode(errors="ignore").strip()
    if cut == vehicle:
        return vehicle
    return f"{cut}-{short(digest_bytes(vehicle.encode()))[:8]}".lstrip("-")


def require_replaceable(folder: Path) -> None:
    """Refuse to put a build where files are that no build wrote: publishing would take them away.

    Raises:
        InputError: The folder has files and is no build, or has more files than those of its build.
    """
    with explained(folder):
        if not folder.is_dir():
            return
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    foreign = sorted(found - _own(folder, found))
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise InputError(
            str(folder),
            "an empty folder, or a build with its own files only, because a build replaces the whole folder",
            ", ".join(foreign[:_SHOWN]) + more,
            "name another folder with -o, or move these files",
        )


def _own(folder: Path, found: set[str]) -> set[str]:
    """Return the files that a build wrote; those of a build whose manifest is damaged are all taken for its own."""
    try:
        return {FILE_NAME, *read_manifest(folder).files}
    except InputError:
        return found if {FILE_NAME, MODEL, PROFILE} <= found else set()
