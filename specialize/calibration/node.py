"""Keep a value of a document together with its key path, so that every error names its location."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specialize.errors import InputError, closest


@dataclass(frozen=True, slots=True)
class Node:
    """A plain value and its location.

    Attributes:
        value: Mapping, list, text, number, boolean or None.
        source: The file.
        path: Key path in the file, such as `cameras[2].intrinsic[0][0]`; empty for the whole.
    """

    value: Any
    source: str
    path: str = ""

    @property
    def where(self) -> str:
        """Return `file: key.path`."""
        return f"{self.source}: {self.path}" if self.path else self.source

    def child(self, key: str | int) -> Node:
        """Return the entry of this key or index.

        Raises:
            InputError: A mapping has no such key.
        """
        if isinstance(key, str) and (not isinstance(self.value, Mapping) or key not in self.value):
            raise self.error(f"the key {key!r}", f"{shown(self.value)}")
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else key
        return Node(self.value[key], self.source, f"{self.path}{step}")

    def has(self, key: str) -> bool:
        """Return whether a mapping has this key with a value other than null."""
        return isinstance(self.value, Mapping) and self.value.get(key) is not None

    def mapping(self, required: Iterable[str], optional: Iterable[str] = ()) -> Node:
        """Return self if it is a mapping with these keys and no others.

        Raises:
            InputError: Not a mapping, a key is missing, or one is unknown.
        """
        required, known = tuple(required), {*required, *optional}
        if not isinstance(self.value, Mapping):
            raise self.error(f"a mapping with {', '.join(sorted(known))}")
        for key in self.value:
            if key not in known:
                raise InputError(
                    f"{self.source}: {self.path}.{key}" if self.path else f"{self.source}: {key}",
                    "a known key",
                    repr(key),
                    closest(str(key), known),
                )
        for key in required:
            if not self.has(key):
                raise self.error(f"the key {key!r}", "nothing", f"add `{key}:`")
        return self

    def items(self) -> list[Node]:
        """Return the items of a list."""
        if not isinstance(self.value, Sequence) or isinstance(self.value, str | bytes):
            raise self.error("a list")
        return [self.child(index) for index in range(len(self.value))]

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error("text", hint="" if isinstance(self.value, str) else "put it in quotes")
        return self.value

    def number(self) -> float:
        """Return a finite number; text and booleans are not numbers."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error("a number", hint=_number_hint(value))
        if not math.isfinite(value):
            raise self.error("a finite number")
        return float(value)

    def count(self, most: int | None = None) -> int:
        """Return a whole number from 1 to `most`."""
        number = self.number()
        if number != int(number) or number < 1:
            raise self.error("a whole number of at least 1")
        if most is not None and number > most:
            raise self.error(f"a whole number of at most {most:,}")
        return int(number)

    def vector(self, length: int, meaning: str) -> list[float]:
        """Return a list of `length` numbers."""
        values = self.value if isinstance(self.value, list | tuple) else []
        if len(values) != length:
            raise self.error(f"{length} numbers {meaning}", self._found_length())
        if all(type(value) is float and math.isfinite(value) for value in values):  # the usual case, quickly
            return list(values)
        return [item.number() for item in self.items()]

    def matrix(self, rows: int, columns: int) -> list[list[float]]:
        """Return `rows` lists of `columns` numbers."""
        items = self.items() if isinstance(self.value, list | tuple) else []
        if len(items) != rows:
            hint = f"write it as {rows} rows of {columns} numbers"
            raise self.error(f"a {rows}x{columns} matrix", self._found_length(), hint)
        return [item.vector(columns, f"(one row of a {rows}x{columns} matrix)") for item in items]

    def error(self, expected: str, found: str = "", hint: str = "") -> InputError:
        """Return an error at this place; `found` defaults to the value itself."""
        return InputError(self.where, expected, found or shown(self.value), hint)

    def _found_length(self) -> str:
        if isinstance(self.value, list | tuple):
            return f"a list of {len(self.value)}"
        return shown(self.value)


def shown(value: object, limit: int = 60) -> str:
    """Return a value as written in the file, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        text = f"a mapping with {', '.join(str(key) for key in value)}" if value else "an empty mapping"
    elif isinstance(value, list | tuple):
        text = f"a list of {len(value)}"
    else:
        text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _number_hint(value: object) -> str:
    """Return a hint about a text that looks like a number; YAML reads a bare `nan` as text."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if number is None:
        return ""
    return "remove the quotes" if math.isfinite(number) else "put a finite number here"
