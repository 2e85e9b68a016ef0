"""Define entries of the store: small documents that describe objects and keep them from being collected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from specialize.digest import UNSEALED, seal, sealed_digest
from specialize.errors import InputError
from specialize.files.atomic import explained
from specialize.files.regular import read_regular
from specialize.text.record import Record

REPAIR = "`specialize store check --repair` moves it aside; it is then made again when needed"
"""Remedy for a damaged object or entry."""

SCHEMA = "specialize/store-entry@1"


class Entry(Record, frozen=True, kw_only=True):
    """Description of the thing that a key identifies.

    Attributes:
        kind: `export` for generic models, `build` for manifests.
        key: Digest of what the thing was made from.
        title: A short description for people.
        objects: Digest of each part, by name.
        info: Values that its maker needs without reading a part.
        schema: Version of this format.
    """

    schema: str = SCHEMA
    kind: str
    key: str
    title: str
    objects: dict[str, str]
    info: dict[str, Any] = {}


class _File(Entry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entry as it is written: `digest` is that of the file, with zeros in the digest's own place."""

    digest: str


def entry_text(entry: Entry) -> str:
    """Return the JSON of an entry, including its own digest: equal values give equal text."""
    raw = msgspec.json.encode(_File(**_fields(entry), digest=UNSEALED), order="deterministic")
    return seal(msgspec.json.format(raw, indent=2).decode() + "\n")


def parse_entry(text: bytes, where: str, kind: str = "", key: str = "") -> Entry:
    """Parse the text of an entry; `where` names it in errors.

    Args:
        text: Content of the file.
        where: Names it in errors.
        kind: What the entry must be, if that is known.
        key: What it must stand for, if that is known.

    Raises:
        InputError: The text is damaged, of another version, or of another entry.
    """
    try:
        entry = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(where, "an entry of the store", str(error), REPAIR) from error
    if entry.schema != SCHEMA:
        raise InputError(f"{where}: schema", repr(SCHEMA), repr(entry.schema), REPAIR)
    expected = sealed_digest(text, entry.digest)
    if entry.digest != expected:
        raise InputError(f"{where}: digest", f"{expected}, that of the file", entry.digest, REPAIR)
    if (kind or entry.kind, key or entry.key) != (entry.kind, entry.key):
        raise InputError(where, f"the entry of {kind} {key}", f"that of {entry.kind} {entry.key}", REPAIR)
    return Entry(**_fields(entry))


def read_entry(path: Path) -> Entry:
    """Return the entry in a file, whose name is the key.

    Raises:
        InputError: It is damaged.
    """
    with explained(path):
        return parse_entry(read_regular(path), str(path), path.parent.name, f"sha256:{path.stem}")


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__struct_fields__}
