"""Define records: values that functions return, and that are printed and stored as JSON without conversion.

msgspec derives the JSON of a record and its JSON Schema from the fields; descriptions come from the docstring.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object of a JSON document: immutable, rejects undeclared keys."""


class Figure(float):
    """A number that may be NaN or infinite, which are text in JSON because JSON has neither."""


def to_json(value: object) -> Any:
    """Return a record as values that JSON has."""
    return msgspec.to_builtins(value, enc_hook=_encoded)


def from_json(data: object, kind: type[T]) -> T:
    """Return the record that `to_json` made values of.

    Raises:
        msgspec.ValidationError: They are not those of such a record.
    """
    return msgspec.convert(data, kind, dec_hook=_decoded)


def schema_of(kind: type) -> dict[str, Any]:
    """Return the JSON Schema of what a type looks like in JSON, if it is one that msgspec does not know."""
    if issubclass(kind, Figure):
        return {"type": ["number", "string"]}
    return {"type": "string"} if issubclass(kind, Path) else {"$comment": "any value"}


def _encoded(value: object) -> float | str:
    if isinstance(value, Figure):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"no JSON of a {type(value).__name__}")


def _decoded(kind: type, value: Any) -> Any:
    return kind(value) if issubclass(kind, Figure | Path) else value
