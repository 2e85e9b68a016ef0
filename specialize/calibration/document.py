"""Read a small YAML document into plain values, without YAML's surprises.

Differences from `yaml.safe_load`: numbers are those of YAML 1.2 and JSON (`1e0` is a number, `010` is ten, `1:30` and
`no` are text); duplicate keys and tags are rejected; aliases are allowed until the expanded document gets too large,
which stops alias bombs early; size and depth are limited.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from specialize.errors import InputError, closest
from specialize.files import far

SIZE_LIMIT_BYTES = 1 << 20
DEPTH_LIMIT = 16
NODE_LIMIT = 50_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", "+.inf", "+.Inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def read_document(path: Path, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> Any:
    """Return the plain values of one YAML file.

    Raises:
        InputError: The file is missing, too large, not UTF-8, or not one plain YAML document.
    """
    return parse_document(read_text(path, size_limit_bytes), str(path))


def read_text(path: Path, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> str:
    """Return the UTF-8 text of a file.

    Raises:
        InputError: The file is missing, too large, or not UTF-8.
    """
    data = far.read(path, size_limit_bytes + 1) if far.is_far(path) else _data(path, size_limit_bytes + 1)
    if len(data) > size_limit_bytes:
        found = "more" if far.is_far(path) else f"{path.stat().st_size} bytes"
        raise InputError(str(path), f"at most {size_limit_bytes} bytes", found, "is this the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), "UTF-8 text", f"byte 0x{data[error.start]:02x} at {error.start}", "save it as UTF-8"
        ) from None


def _data(path: Path, size_bytes: int) -> bytes:
    """Return the first bytes of a file of this machine."""
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no such file"
        raise InputError(str(path), "a readable file", found, _hint_for_missing(path))
    try:
        with path.open("rb") as file:
            return file.read(size_bytes)
    except OSError as error:
        raise InputError(str(path), "a readable file", error.strerror or str(error)) from None


def parse_document(text: str, source: str) -> Any:
    """Return the plain values of YAML text; `source` names it in errors."""
    return _Builder(text, source).document()


def _hint_for_missing(path: Path) -> str:
    """Return a hint for a missing file: the most similar name in its folder, or the folder that does not exist."""
    if path.is_dir():
        return "name the file inside it"
    if not path.parent.is_dir():
        return f"the directory {path.parent} does not exist"
    return closest(path.name, (sibling.name for sibling in path.parent.iterdir()))


class _Builder:
    """Builder of values from parser events that counts every value, including those repeated by an alias."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.text = text
        self.next: Callable[[], Any]

    def document(self) -> Any:
        """Return the value of the only document."""
        try:
            self.next = _LOADER(self.text).get_event
            self.next()  # stream start
            if isinstance(self.next(), yaml.StreamEndEvent):
                return None
            value = self.value(self.next(), depth=0)
            self.next()  # document end
            if not isinstance(self.next(), yaml.StreamEndEvent):
                raise InputError(
                    self.source, "one YAML document", "several", "remove the line '---' and what follows"
                )
        except yaml.YAMLError as error:
            raise self.syntax_error(error) from None
        return value

    def value(self, event: Any, depth: int) -> Any:
        """Return the value that starts at `event`, and consume its events."""
        self.count(1, event)
        if depth > DEPTH_LIMIT:
            raise self.error(event, f"at most {DEPTH_LIMIT} levels of nesting", "more")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if event.tag is not None:
            raise self.error(event, "plain values without tags", event.tag, "remove the tag")
        before = self.nodes
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = scalar(event.value) if not event.style else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.sequence(depth)
        else:
            value = self.mapping(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def sequence(self, depth: int) -> list[Any]:
        """Return the items of a sequence."""
        items = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.value(event, depth + 1))
        return items

    def mapping(self, depth: int) -> dict[str, Any]:
        """Return the entries of a mapping; keys are text and unique."""
        entries: dict[str, Any] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self.error(event, "a plain word as key", "a nested value")
            key = event.value
            if key in entries:
                raise self.error(event, f"the key {key!r} once", "it twice", "remove or rename one of them")
            entries[key] = self.value(self.next(), depth + 1)
        return entries

    def alias(self, event: Any) -> Any:
        """Return the anchored value again; its whole size is counted again."""
        if event.anchor not in self.anchors:
            raise self.error(event, "an alias of a finished anchor", f"*{event.anchor}")
        value, nodes = self.anchors[event.anchor]
        self.count(nodes, event)
        return value

    def count(self, nodes: int, event: Any) -> None:
        """Add to the number of values, and raise if there are too many."""
        self.nodes += nodes
        if self.nodes > NODE_LIMIT:
            hint = "profiles and sidecars have a few hundred; are aliases repeated?"
            raise self.error(event, f"at most {NODE_LIMIT} values, aliases expanded", "more", hint)

    def error(self, event: Any, expected: str, found: str, hint: str = "") -> InputError:
        """Return an error at an event's line and column."""
        mark = event.start_mark
        where = f"{self.source}: line {mark.line + 1}, column {mark.column + 1}"
        return InputError(where, expected, found, hint)

    def syntax_error(self, error: yaml.YAMLError) -> InputError:
        """Return the parser's error as an `InputError`."""
        where = self.source
        mark = getattr(error, "problem_mark", None)
        if mark is not None:
            where += f": line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        return InputError(where, "valid YAML", problem, "check indentation, brackets and quotes")


def scalar(text: str) -> object:
    """Return the value of an unquoted word: null, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= 18:
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
