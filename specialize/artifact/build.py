"""Read a build's directory as a tree of digests: the manifest's own, its files', and those in the model's metadata."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.artifact.manifest import FILE_NAME, FileRecord, Manifest, contract_digest, read_manifest
from specialize.artifact.metadata import read_metadata, read_props
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.digest import digest_file, short
from specialize.errors import InputError
from specialize.files.atomic import explained

MODEL = "model.onnx"
PROFILE = "profile.yaml"


@dataclass(frozen=True, slots=True)
class Build:
    """A build on disk whose files have the right names and sizes.

    Attributes:
        folder: Its directory.
        manifest: Its manifest.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Read a build's manifest, and check names and sizes of its files without reading them.

        Raises:
            InputError: The directory is not a build, or a file is missing or has another size.
        """
        build = cls(folder, read_manifest(folder))
        for name, record in build.manifest.files.items():
            size = _size(build.file(name))
            if size != record.size:
                raise _damaged(build.file(name), f"{record.size} bytes", f"{size} bytes")
        return build

    @classmethod
    def intact(cls, folder: Path) -> Build:
        """Read a build's manifest and every file, and compare them, as a command does before it relies on a build.

        Raises:
            InputError: The directory is not a build, or a file is not the one that the build wrote.
        """
        build = cls.open(folder)
        build.require_intact()
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

    def require_intact(self, names: Collection[str] | None = None) -> None:
        """Read all files, or some, and compare them with the manifest; each is read once per process.

        Args:
            names: The files to check; by default all files of the build.

        Raises:
            InputError: A file is not the one that the build wrote, or the model is of another build.
        """
        for name in {MODEL: None, **self.manifest.files} if names is None else names:
            record = self.manifest.files.get(name)
            if record is None:
                raise _damaged(self.folder / FILE_NAME, f"a record of {name}", "none")
            with explained(self.file(name)):
                found = digest_file(self.file(name))
            if found != record.sha256:
                raise _damaged(self.file(name), f"sha256 {short(record.sha256)}…", f"{short(found)}…")
        if names is None or MODEL in names:
            self._require_tied()

    def calibration(self) -> CalibrationProfile:
        """Return the calibration that the build was made for.

        Raises:
            InputError: The profile in the folder is not the one that the manifest names.
        """
        profile = load_profile(self.profile)
        named = self.manifest.vehicle, self.manifest.digests.profile
        if (profile.vehicle, profile.digest) != named:
            raise _damaged(
                self.profile, " with profile ".join(named), f"{profile.vehicle} with {profile.digest}"
            )
        return profile

    def _require_tied(self) -> None:
        """Compare the model's metadata with the manifest."""
        tie, digests = read_metadata(read_props(self.model), str(self.model)), self.manifest.digests
        pairs = {
            "profile": (digests.profile, tie.profile),
            "plan": (digests.plan, tie.plan),
            "model": (digests.model, tie.model),
            "build": (digests.build, tie.build),
            "contract": (contract_digest(self.manifest), tie.contract),
        }
        for name, (expected, found) in pairs.items():
            if expected != found:
                raise _damaged(self.model, f"metadata with the manifest's {name} digest {expected}", found)


def build_digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file of an intact build by name, its manifest first.

    Raises:
        InputError: The directory is no build, or a file is not the one that the build wrote.
    """
    build = Build.intact(folder)
    files = {name: record.sha256 for name, record in build.manifest.files.items()}
    return {FILE_NAME: digest_file(folder / FILE_NAME), **files}


def record_files(folder: Path, manifest: Manifest, apart: Collection[Path] = ()) -> Manifest:
    """Return the manifest with a record of every file in the folder, itself excepted, and of files that lie apart."""
    inside = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = inside | {path.name: path for path in apart}
    records = {
        name: FileRecord(sha256=digest_file(files[name]), size=files[name].stat().st_size)
        for name in sorted(files)
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
