"""Write, read and check the plain values of a model's sidecar file, before they are interpreted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import yaml

from specialize.calibration.document import parse_document, scalar
from specialize.calibration.node import shown
from specialize.errors import InputError

GUESS = "GUESS"
"""Prefix that a draft puts before a value that a person must decide."""
_LIST = r'\[(?:"(?:[^"\\]|\\.)*"|[^\]"])*\]'
_CANDIDATES = re.compile(rf"{GUESS} ({_LIST}|[^\s,}}]+)(?: or [^\s,}}]+)*")
"""The candidates of a guess: one list, or words joined by `or`."""


def parse_values(text: str, where: str, schema: str) -> dict[str, Any]:
    """Return the plain values of a sidecar's text; `where` names it in errors.

    Raises:
        InputError: It is not one plain YAML mapping of that schema, larger than any sidecar, or has a guess in it.
    """
    data = parse_document(text, where)
    if not isinstance(data, dict) or data.get("schema") != schema:
        found = repr(data.get("schema")) if isinstance(data, dict) else type(data).__name__
        raise InputError(f"{where}: schema", repr(schema), found, f"start the file with `schema: {schema}`")
    _require_decided(data, where)
    return data


def with_guesses_taken(text: str) -> str:
    """Return a draft with the first candidate of every guess as its value, and `guessed`, the list of these places."""
    places = [place for place, _ in _guesses(parse_document(text, "draft"), "")]
    if not places:
        return text
    comment = "taken as drafted: remove a place from this list once it is decided"
    return f"{_CANDIDATES.sub(lambda found: found[1], text)}guessed: {json.dumps(places)}  # {comment}\n"


def values_text(data: Mapping[str, Any]) -> str:
    """Return the YAML that `parse_values` reads back to equal values."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None))


def checked(check: Callable[..., object], *arguments: object) -> None:
    """Turn an error of a check into one that msgspec reports with the key path of the section."""
    try:
        check(*arguments)
    except InputError as error:
        raise ValueError(str(error)) from error


def constant(name: str, value: object) -> np.ndarray:
    """Return the array of an entry of `other_inputs`.

    Raises:
        InputError: It is not made of numbers, or its lists differ in length.
    """
    place = f"other_inputs.{name}"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(
            place, "a number, or lists of equal lengths", "lists of different lengths"
        ) from error
    if array.dtype.kind not in "biuf":
        raise InputError(place, "numbers", shown(value))
    if np.isnan(array).any():
        raise InputError(place, "numbers", "nan")
    return array


class _Dumper(yaml.SafeDumper):
    """Writes YAML 1.1 that the reader of documents, which follows YAML 1.2, reads as the same values."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote the words that YAML 1.2 takes for numbers."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if scalar(text) == text else '"')


_Dumper.add_representer(str, _quoted)


def _require_decided(data: dict[str, Any], where: str) -> None:
    """Refuse a draft in which something is marked as a guess."""
    guesses = list(_guesses(data, ""))
    if guesses:
        place, text = guesses[0]
        more = f"; also undecided: {', '.join(other for other, _ in guesses[1:])}" if len(guesses) > 1 else ""
        hint = (
            f"replace {GUESS} and the text after it by the right value; the draft's comments explain "
            "what is known. For a first look, `specialize inspect MODEL --save-draft FILE --take-guesses` takes "
            "the likeliest values, and every build warns of them"
        )
        raise InputError(f"{where}: {place}", "a value that a person has decided", f"{text!r}{more}", hint)


def _guesses(data: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of every value that is marked as a guess."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _guesses(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _guesses(value, f"{path}[{index}]")
    elif isinstance(data, str) and data.split(" ", 1)[0] == GUESS:
        yield path, data
