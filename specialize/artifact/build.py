"""A build's directory: the manifest and the files that it vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.artifact.manifest import FILE_NAME, FileRecord, Manifest, read_manifest
from specialize.digest import digest_file, short
from specialize.errors import InputError
from specialize.files import explained

MODEL = "model.onnx"
PROFILE = "profile.yaml"


@dataclass(frozen=True, slots=True)
class Build:
    """A build on disk, complete as far as names and sizes tell.

    Attributes:
        folder: Its directory.
        manifest: What it says about itself.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Read a build's manifest and look whether its files are there, without reading them.

        Raises:
            InputError: The directory is no build, or a file is missing or has another size.
        """
        build = cls(folder, read_manifest(folder))
        for name, record in build.manifest.files.items():
            size = _size(build.file(name))
            if size != record.size:
                raise _damaged(build.file(name), f"{record.size} bytes", f"{size} bytes")
        return build

    @property
    def model(self) -> Path:
        """The specialized model."""
        return self.folder / MODEL

    @property
    def profile(self) -> Path:
        """The calibration profile that it was made for."""
        return self.folder / PROFILE

    def file(self, name: str) -> Path:
        """Return the path of a file that the manifest names.

        Raises:
            InputError: The name leads out of the build's directory.
        """
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{self.folder / FILE_NAME}: files", "names inside the build", repr(name))
        return self.folder / path

    def require_intact(self) -> None:
        """Read every file and compare its digest with the manifest's.

        Raises:
            InputError: A file is not the one that the build wrote.
        """
        for name, record in self.manifest.files.items():
            with explained(self.file(name)):
                found = digest_file(self.file(name))
            if found != record.sha256:
                raise _damaged(self.file(name), f"sha256 {short(record.sha256)}…", f"{short(found)}…")


def record_files(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with a record of every file in the folder, itself excepted."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    records = {
        name: FileRecord(sha256=digest_file(folder / name), size=(folder / name).stat().st_size)
        for name in names
        if name != FILE_NAME
    }
    return msgspec.structs.replace(manifest, files=records)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise _damaged(path, "a file of the build", "no such file") from error


def _damaged(path: Path, expected: str, found: str) -> InputError:
    return InputError(str(path), expected, found, "the build was changed after it was made: build again")
