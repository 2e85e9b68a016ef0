"""Attest a build: write its statements and its signature to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specialize.artifact import Build, build_digests
from specialize.artifact.manifest import FILE_NAME
from specialize.artifact.place import require_outside
from specialize.attest.provenance import provenance
from specialize.attest.results import Verdict, test_result
from specialize.attest.signature import model_statement, unsigned_bundle
from specialize.attest.signing import signed_bundle
from specialize.attest.statement import Statement, statement_text
from specialize.errors import InputError
from specialize.files.atomic import explained, write_file

PROVENANCE, TEST_RESULT = "provenance.intoto.json", "test-result.intoto.json"
UNSIGNED, SIGNED = "model.sig.unsigned.json", "model.sig"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """`specialize attest --json`.

    Attributes:
        build_dir: Folder of the build.
        output: Folder of the files.
        files: Names of the files that were written.
        subjects: Number of files of the build that they name.
        result: Verdict of the test result.
        signed: Whether a key signed.
    """

    build_dir: Path
    output: Path
    files: tuple[str, ...]
    subjects: int
    result: Verdict
    signed: bool


def attest_build(folder: Path, output: Path, key: Path | None = None) -> Attestation:
    """Write what a build says to others.

    Args:
        folder: The build.
        output: Folder to write into; not inside the build, whose files are all covered by its signature.
        key: Private key to sign with; without it the manifest to be signed is written unsigned.

    Raises:
        InputError: The build is damaged, made by an older version, or has further files in it; the key is none.
        UsageError: There is a key, and the package that signs is not installed.
    """
    build, digests = whole_build(folder)
    require_outside(output, folder, "a signature covers every file of the folder: choose a folder next to it")
    made = statements(build, digests)
    signature = model_statement(build.manifest, digests)
    last, other = (UNSIGNED, SIGNED) if key is None else (SIGNED, UNSIGNED)
    files: dict[str, str | bytes] = {name: statement_text(each) for name, each in made.items()}
    files[last] = unsigned_bundle(signature) if key is None else signed_bundle(folder, key)
    for name, data in files.items():
        write_file(output / name, data)
    with explained(output / other):
        (output / other).unlink(missing_ok=True)  # of an earlier run, which may be of another build
    return Attestation(
        build_dir=folder, output=output, files=tuple(files), subjects=len(digests),
        result=made[TEST_RESULT].predicate.result, signed=key is not None,
    )  # fmt: skip


def statements(build: Build, digests: Mapping[str, str]) -> dict[str, Statement[Any]]:
    """Return the statements about a build, by the name of their file.

    Raises:
        InputError: The manifest does not say what was asked for.
    """
    if not build.manifest.key:
        where, hint = f"{build.folder / FILE_NAME}: key", "it was built by an older version: build again"
        raise InputError(where, "the options of the request", "none", hint)
    return {
        PROVENANCE: provenance(build.manifest, digests),
        TEST_RESULT: test_result(build.manifest, digests),
    }


def whole_build(folder: Path) -> tuple[Build, dict[str, str]]:
    """Return an intact build without additional files in its folder, and `sha256:<hex>` of each of its files.

    Raises:
        InputError: A file is damaged or missing, or does not belong to the build.
    """
    digests = build_digests(folder)
    with explained(folder):
        names = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }
    foreign = sorted(names - set(digests))
    if foreign:
        hint = "move it out of the folder: signature checks reject files that were not signed"
        raise InputError(str(folder / foreign[0]), "only the files of the build", "an additional file", hint)
    return Build.open(folder), digests
