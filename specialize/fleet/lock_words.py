"""Locks of the first version, words between blanks, read as lines of the present one.

    schema specialize/fleet-lock@1
    compiler 0.1.0
    request model=bevformer_tiny mode=auto ...
    spec sha256:...
    source seed%200
    build sha256:... tables for=car_01 pairs=2835 lengths=389,470,474,600,449,453
    vehicle car_01 car_01.yaml sha256:<profile> sha256:<plan> sha256:<calibration> sha256:<build>

Blanks and other odd characters are written as in URLs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from specialize.errors import InputError

SCHEMA = "specialize/fleet-lock@1"

_ONCE = ("schema", "compiler", "spec", "source")
_NUMBERS: dict[str, type] = {"max_overhead": float, "spare": float, "align": int, "seed": int, "frames": int}
_MAY_BE_NONE = ("model_spec", "checkpoint", "frames_dir")


def lines_of_words(numbered: Sequence[tuple[str, str]], schema: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines of a lock with their places, as those of a lock with the present schema.

    Raises:
        InputError: A line is not one of a lock's.
    """
    head: dict[str, Any] = {}
    rest: list[tuple[str, dict[str, Any]]] = []
    for where, text in numbered:
        kind, *words = text.split(" ")
        try:
            if kind in _ONCE:
                head[kind] = unquote(words[0])
            else:
                rest.append((where, _LINES[kind](words)))
        except (KeyError, IndexError, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
            raise InputError(where, "a line of a lock", found, "plan the fleet again") from error
    yield numbered[0][0], head | {"schema": schema}
    yield from rest


def _request(words: list[str]) -> dict[str, Any]:
    pairs = ((name, unquote(value)) for name, _, value in (word.partition("=") for word in words))
    options = {name: _NUMBERS.get(name, str)(value) for name, value in pairs}
    options |= {name: None for name in _MAY_BE_NONE if options.get(name) == ""}
    if "allow" in options:
        options["allow"] = options["allow"].split(",")
    return {"request": options}


def _build(words: list[str]) -> dict[str, Any]:
    key, mode, made_from, pairs, lengths = words
    rows = [row for row in lengths.removeprefix("lengths=").split(";") if row]
    return {
        "build": key,
        "mode": mode,
        "made_from": unquote(made_from.removeprefix("for=")),
        "pairs": int(pairs.removeprefix("pairs=")),
        "lengths": [[int(number) for number in row.split(",")] for row in rows],
    }


def _vehicle(words: list[str]) -> dict[str, Any]:
    name, path, profile, plan, calibration, build = words
    return {
        "vehicle": unquote(name),
        "path": unquote(path),
        "profile": profile,
        "plan": "" if plan == "-" else plan,
        "calibration": calibration,
        "build": build,
    }


_LINES = {"request": _request, "build": _build, "vehicle": _vehicle}
