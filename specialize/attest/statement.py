"""Define in-toto Statement v1: subjects by digest, and a predicate; specification at github.com/in-toto/attestation.

A `sha256` is that of a file's bytes, as in-toto defines it. Digests that this package computes over content, such as
that of a calibration, which does not depend on the formatting of a file, have a name of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from specialize.errors import InputError
from specialize.files.atomic import explained

STATEMENT = "https://in-toto.io/Statement/v1"
CONTENT_DIGEST = "specializeContent"
"""Name of sha256 over the canonical form of a value (`specialize/digest.py`), in place of a file's bytes."""

LARGEST_BYTES = 64 << 20
_HEX = 64

P = TypeVar("P")


class Record(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """An object of a statement: immutable, with keys in camel case, and without optional keys that are empty."""


class Descriptor(Record, frozen=True, kw_only=True):
    """A ResourceDescriptor: an artifact, by name or address and digest.

    Attributes:
        name: What it is called.
        uri: Where it comes from; empty if that is not known.
        digest: Algorithm -> hexadecimal digits.
        annotations: What else is known of it.
    """

    name: str
    uri: str = ""
    digest: dict[str, str] = {}
    annotations: dict[str, Any] = {}


class Statement(
    msgspec.Struct, Generic[P], frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"
):
    """A statement about files.

    Attributes:
        type_: Which version of the format it is; `_type` in JSON.
        subject: The files that it is about.
        predicate_type: What kind of thing is said.
        predicate: What is said.
    """

    type_: str = msgspec.field(name="_type", default=STATEMENT)
    subject: tuple[Descriptor, ...]
    predicate_type: str
    predicate: P


def subjects(digests: Mapping[str, str]) -> tuple[Descriptor, ...]:
    """Return the files of a build as subjects, sorted by name; `digests` has `sha256:<hex>` by name."""
    return tuple(Descriptor(name=name, digest={"sha256": bare(digests[name])}) for name in sorted(digests))


def content(digest: str) -> dict[str, str]:
    """Return a digest over content, `sha256:<hex>`, as a set of digests."""
    return {CONTENT_DIGEST: bare(digest)}


def bare(digest: str) -> str:
    """Return the hexadecimal digits of `sha256:<hex>`."""
    return digest.removeprefix("sha256:")


def statement_text(statement: Statement[Any]) -> str:
    """Return the JSON of a statement: equal statements give equal bytes."""
    raw = msgspec.json.encode(statement, order="deterministic")
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def plain_statement(statement: Statement[Any]) -> dict[str, Any]:
    """Return a statement as JSON has it."""
    plain: dict[str, Any] = json.loads(statement_text(statement))
    return plain


def read_json(path: Path, what: str, hint: str) -> dict[str, Any]:
    """Return the object in a JSON file.

    Args:
        path: The file.
        what: What it should be, for errors.
        hint: What to do about a file that is none.

    Raises:
        InputError: The file is too large, truncated, or not JSON.
    """
    with explained(path):
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(str(path), f"{what} of at most {LARGEST_BYTES >> 20} MiB", "a larger file", hint)
        raw = path.read_bytes()
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), what, f"{str(error).lower()} ({len(raw)} bytes)", hint) from error
    if not isinstance(data, dict):
        raise InputError(str(path), what, f"a JSON {type(data).__name__}", hint)
    return data


def named_digests(entries: Any, where: str, hint: str) -> dict[str, str]:
    """Return name -> `sha256:<hex>` of the subjects of a statement that was read.

    Raises:
        InputError: They are no subjects with a name and a sha256.
    """
    try:
        found = {str(entry["name"]): str(entry["digest"]["sha256"]) for entry in entries}
        if not found or len(found) < len(entries) or any(len(digits) != _HEX for digits in found.values()):
            raise ValueError("none, a duplicate name, or a digest of another length")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found_text = f"{type(error).__name__.lower()} {error}"
        raise InputError(f"{where}: subject", "files with name and sha256", found_text, hint) from error
    return {name: f"sha256:{digits}" for name, digits in found.items()}
