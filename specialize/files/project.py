"""Read `specialize.toml`: what the options of a project's commands are where they are not given.

It is looked for in the working directory and every folder above it; the first one counts. Paths in it are relative to
the folder that it lies in.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from specialize.errors import InputError, closest

NAME = "specialize.toml"

KEYS: dict[str, str] = {
    "model": "model",
    "model_spec": "path",
    "checkpoint": "path",
    "calib": "path",
    "store": "store",
    "target": "text",
    "attention": "text",
    "mode": "text",
    "tolerance": "text",
    "capacity": "text",
    "layout": "text",
    "align": "number",
    "precision": "text",
    "frames_dir": "path",
    "frames": "number",
    "seed": "number",
    "proof": "text",
}
"""Key of the file -> kind of its value; every key but `store` is the name of an option, with `_` for `-`."""

BELONGS = {"model_spec": "model", "checkpoint": "model", "tolerance": "mode", "capacity": "mode"}
"""Key -> the key without which it means nothing: an option that replaces the latter drops the former."""


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of a project.

    Attributes:
        path: The file; None without one.
        settings: Its values by key, paths as seen from the working directory.
    """

    path: Path | None = None
    settings: Mapping[str, str | int] = field(default_factory=dict)


def read_project(here: Path | None = None) -> Project:
    """Return the settings of the project that a folder is in, by default the working directory; none if in no project.

    Raises:
        InputError: The file is no TOML, or has an unknown key or a wrong value.
    """
    try:
        start = (here or Path.cwd()).absolute()
    except FileNotFoundError:  # the working directory was removed
        return Project()
    path = next((place / NAME for place in (start, *start.parents) if os.path.isfile(place / NAME)), None)  # noqa: PTH113 (no error where one may not look)
    if path is None:
        return Project()
    shown = Path(os.path.relpath(path, start))
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(shown), "a TOML file", str(error)) from error
    return Project(shown, {key: _setting(shown, key, value) for key, value in found.items()})


def _setting(path: Path, key: str, value: object) -> str | int:
    """Return a value of the file.

    Raises:
        InputError: The key is unknown, or the value is of another kind.
    """
    kind = KEYS.get(key)
    if kind is None:
        raise InputError(str(path), "known keys", repr(key), closest(key, KEYS))
    number = kind == "number"
    if not isinstance(value, int if number else str) or isinstance(value, bool) or value == "":
        raise InputError(f"{path}: {key}", "a whole number" if number else "a text", repr(value))
    if isinstance(value, int):
        return value
    assert isinstance(value, str)
    if kind == "store" and "://" not in value:
        return str((path.parent / value).resolve())
    return (
        str(path.parent / value) if kind == "path" or (kind == "model" and value.endswith(".onnx")) else value
    )
