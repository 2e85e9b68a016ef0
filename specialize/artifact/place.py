"""Choose the folder of a build: named after its vehicle, and replacing nothing but an older build."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from specialize.artifact.build import MODEL, PROFILE
from specialize.artifact.manifest import FILE_NAME, read_manifest
from specialize.digest import digest_bytes, short
from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.text.terminal import command

LONGEST_NAME = 100
"""Maximum bytes of a vehicle's name in a folder's name; file systems allow 255, and sibling files have longer names."""

_SHOWN = 3


def folder_name(vehicle: str) -> str:
    """Return one path component for a vehicle: its name if possible, else a similar name that is as unique.

    A name from a file must not choose the folder: `/`, `..` and control characters would lead elsewhere.
    """
    plain = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in vehicle).lstrip(".-")
    cut = plain.encode()[:LONGEST_NAME].decode(errors="ignore").strip()
    if cut == vehicle:
        return vehicle
    return f"{cut}-{short(digest_bytes(vehicle.encode()))[:8]}".lstrip("-")


def require_outside(output: Path, build: Path, hint: str) -> None:
    """Reject an output location inside a build, whose files are those of its manifest.

    Raises:
        InputError: The location is inside.
    """
    with explained(output):
        inside = output.resolve().is_relative_to(build.resolve())
    if inside:
        raise InputError(f"-o {output}", "a place outside of the build", "one inside it", hint)


def require_replaceable(folder: Path, model: str | None = None) -> None:
    """Reject a folder with files that no build wrote, because publishing would remove them.

    Args:
        folder: Folder of the new build.
        model: The model whose build may be replaced; by default that of any.

    Raises:
        InputError: The folder cannot be replaced as a whole; it has files and is not a build, has more files than
            those of its build, or has a build of another model.
    """
    _require_apart(folder)
    with explained(folder):
        if not folder.is_dir():
            return
        try:
            there = read_manifest(folder)
        except InputError:
            if all((folder / name).is_file() for name in (FILE_NAME, MODEL, PROFILE)):
                return  # a damaged build, which no longer names its files or its model
            there = None
    own = set() if there is None else {FILE_NAME, *there.files}
    require_own(folder, own, "a build with its own files only, because a build replaces the whole folder")
    if there is not None and model not in (None, there.model):
        hint = "name another folder with -o, or add --replace"
        raise InputError(str(folder), f"no build, or one of {model}", f"a build of {there.model}", hint)


def require_own(folder: Path, own: Collection[str], expected: str) -> None:
    """Reject a folder with other files than these, given by path below it.

    Raises:
        InputError: It has other files; the first ones are named.
    """
    with explained(folder):
        foreign = list(itertools.islice(_foreign(folder, own), _SHOWN + 1)) if folder.is_dir() else []
    if foreign:
        more = " and more" if len(foreign) > _SHOWN else ""
        hint = "name another folder with -o, or move these files"
        raise InputError(
            str(folder), f"an empty folder, or {expected}", ", ".join(foreign[:_SHOWN]) + more, hint
        )


def _require_apart(folder: Path) -> None:
    """Reject folders that something else depends on: the root, the home, the current folder, a mount point."""
    with explained(folder):
        place, here = folder.resolve(), Path.cwd()
        kind = (
            "the root of the file system"
            if place == place.parent
            else "the home folder"
            if place == Path.home().resolve()
            else "the current folder, or one above it"
            if here.is_relative_to(place)
            else "a mount point"
            if os.path.ismount(place)
            else ""
        )
    if kind:
        expected = "a separate folder, because a build replaces the whole folder"
        raise InputError(str(folder), expected, kind, f"name one inside it: -o {command(folder / 'NAME')}")


def _foreign(folder: Path, own: Collection[str]) -> Iterator[str]:
    """Yield the files below a folder that are not among its own; links count as files, wherever they lead."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif (name := Path(entry.path).relative_to(folder).as_posix()) not in own:
                    yield name
