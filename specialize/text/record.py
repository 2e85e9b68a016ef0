"""Define records: values that functions return, and that are printed and stored as JSON without conversion.

msgspec derives the JSON of a record and its JSON Schema from the fields; descriptions come from the docstring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from specialize.text.on_demand import OnDemand

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object of a JSON document: immutable, rejects undeclared keys."""


class Each(OnDemand[T_co]):
    """Records of a list that are made from other values when they are asked for."""

    def __init__(self, values: Sequence[Any], make: Callable[[Any], T_co]) -> None:
        """Stand for what `make` makes of each value."""
        self._values = values
        self._make = make

    def __len__(self) -> int:
        return len(self._values)

    def one(self, index: int) -> T_co:
        """Return one record."""
        return self._make(self._values[index])


class Stream(list[Any]):
    """Records that are made on demand as values that JSON has; to the encoder of `json` that indents it is a list."""

    def __init__(self, records: Sequence[Any]) -> None:
        """Stand for some records; the list itself is empty."""
        super().__init__()
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Any]:
        return map(to_json, self._records)


class Figure(float):
    """A number that may be NaN or infinite, which are text in JSON because JSON has neither."""


def to_json(value: object) -> Any:
    """Return a record as values that JSON has."""
    return msgspec.to_builtins(value, enc_hook=_encoded)


def streamed(value: object) -> Any:
    """Return a record as `to_json` does, with a `Stream` for each list on demand that it or a record in it holds."""
    if isinstance(value, OnDemand):
        return Stream(value)
    if isinstance(value, tuple):
        return [streamed(one) for one in value] if _is_long(value) else to_json(value)
    if not isinstance(value, Record):
        return to_json(value)
    held = {name: getattr(value, name) for name in value.__struct_fields__}
    later = {name: streamed(one) for name, one in held.items() if _is_long(one)}
    rest: dict[str, Any] = to_json(msgspec.structs.replace(value, **dict.fromkeys(later, ())))
    return rest | later


def _is_long(value: object) -> bool:
    """Return whether a value is a list on demand, or a record or a tuple of records that holds one."""
    if isinstance(value, Record):
        return any(_is_long(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, tuple) and value and isinstance(value[0], Record):
        return any(map(_is_long, value))
    return isinstance(value, OnDemand)


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


def _encoded(value: object) -> float | str | tuple[Any, ...]:
    if isinstance(value, Figure):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, OnDemand):
        return tuple(value)
    raise NotImplementedError(f"no JSON of a {type(value).__name__}")


def _decoded(kind: type, value: Any) -> Any:
    return kind(value) if issubclass(kind, Figure | Path) else value
