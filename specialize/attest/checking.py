"""Check statements and a signature against a build, without running a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specialize.artifact import Build
from specialize.attest.making import statements, whole_build
from specialize.attest.signature import signed_digests
from specialize.attest.signing import require_signed
from specialize.attest.statement import STATEMENT, named_digests, plain_statement, read_json
from specialize.digest import short
from specialize.errors import InputError, UsageError, VerificationError

_HINT = "name a file *.intoto.json that `specialize attest` wrote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """`specialize verify --signature --json`.

    Attributes:
        build_dir: Folder of the build.
        subjects: Number of its files.
        signature: The signature that was checked; null without one.
        public_key: The key that it is by; null without a signature.
        statements: Statement that was checked -> its type.
    """

    build_dir: Path
    subjects: int
    signature: Path | None
    public_key: Path | None
    statements: dict[str, str]


def check_attested(
    folder: Path, signature: Path | None, key: Path | None, given: tuple[Path, ...] = ()
) -> Attested:
    """Check that a build is the one that was signed, and that statements agree with it.

    Args:
        folder: The build.
        signature: A signature of it, as a Sigstore bundle.
        key: The public key of the signer.
        given: Statements about it.

    Raises:
        UsageError: One of signature and key is missing, or the package that checks is not installed.
        InputError: The build is damaged or has additional files; a signature, key or statement cannot be read.
        VerificationError: The signature or a statement is of another build, or of another key.
    """
    if (signature is None) != (key is None):
        option, other = ("--signature", "--public-key") if key is None else ("--public-key", "--signature")
        raise UsageError(
            option, f"{other} with it", "none", "a signature is checked with the public key of its signer"
        )
    build, digests = whole_build(folder)
    if signature is not None and key is not None:
        _require_same(digests, signed_digests(signature), signature)
        require_signed(folder, signature, key)
    checked = {str(path): _checked(build, digests, path) for path in given}
    return Attested(
        build_dir=folder, subjects=len(digests), signature=signature, public_key=key, statements=checked
    )


def _checked(build: Build, digests: Mapping[str, str], path: Path) -> str:
    """Return the type of a statement that agrees with the build."""
    found = read_json(path, "an in-toto statement", _HINT)
    if found.get("_type") != STATEMENT:
        raise InputError(f"{path}: _type", repr(STATEMENT), repr(found.get("_type")), _HINT)
    kind = found.get("predicateType")
    known = {each.predicate_type: each for each in statements(build, digests).values()}
    if not isinstance(kind, str) or kind not in known:
        raise InputError(f"{path}: predicateType", f"one of {', '.join(known)}", repr(kind), _HINT)
    _require_same(digests, named_digests(found.get("subject"), str(path), _HINT), path)
    place = _difference(plain_statement(known[kind]), found, "")
    if place:
        hint = f"do not use it; `specialize attest {build.folder}` writes the statement of this build"
        raise VerificationError(
            f"{path}: {place}", "the value in the build's manifest", "another value", hint
        )
    return kind


def _require_same(digests: Mapping[str, str], named: Mapping[str, str], path: Path) -> None:
    """Reject a statement that names other files than those of the build.

    Raises:
        VerificationError: It does; the error names the first file.
    """
    for name in sorted(digests.keys() | named.keys()):
        expected, found = digests.get(name, ""), named.get(name, "")
        if expected != found:
            expected, found = (
                f"sha256 {short(each)}…" if each else "no such file" for each in (expected, found)
            )
            hint = "it is of another build: use the one that was made for this build, or attest this build"
            raise VerificationError(f"{path}: {name}", f"{expected}, as in the build", found, hint)


def _difference(expected: Any, found: Any, place: str) -> str:
    """Return the key path of the first difference between two JSON values; empty if they are equal."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            inner = f"{place}.{key}".lstrip(".")
            if (key in expected) != (key in found):
                return inner
            if below := _difference(expected[key], found[key], inner):
                return below
        return ""
    same = type(expected) is type(found) and expected == found
    return "" if same else place
