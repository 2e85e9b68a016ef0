"""Names in the store: a small document that says what an object is and keeps it from being collected."""

from __future__ import annotations

from typing import Any

import msgspec

from specialize.errors import InputError

SCHEMA = "specialize/store-entry@1"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a key stands for.

    Attributes:
        kind: `export` for generic models, `build` for manifests.
        key: Digest of what the thing was made from.
        title: A few words for people.
        objects: Digest of each part, by name.
        info: What its maker wants to find again without reading a part.
        schema: Version of this format.
    """

    schema: str = SCHEMA
    kind: str
    key: str
    title: str
    objects: dict[str, str]
    info: dict[str, Any] = {}


def entry_text(entry: Entry) -> str:
    """Return the JSON of an entry: the same value gives the same text."""
    raw = msgspec.json.encode(entry, order="deterministic")
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def parse_entry(text: bytes, where: str) -> Entry:
    """Parse the text of an entry; `where` names it in errors.

    Raises:
        InputError: The text is damaged or of another version.
    """
    try:
        entry = msgspec.json.decode(text, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            where, "an entry of the store", str(error), "remove the file: it is made again"
        ) from error
    if entry.schema != SCHEMA:
        raise InputError(
            f"{where}: schema", repr(SCHEMA), repr(entry.schema), "remove the file: it is made again"
        )
    return entry
