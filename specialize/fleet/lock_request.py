"""The request of a fleet as a lock keeps it: its options by name, with paths relative to the lock."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from specialize.errors import InputError
from specialize.files.far import is_far, url_of
from specialize.fleet.request import FleetRequest
from specialize.request import BuildOptions

_COMMON = tuple(part.name for part in fields(BuildOptions))
_OWN = tuple(part.name for part in fields(FleetRequest) if part.name != "build")
_PATHS = ("folder", "model_spec", "checkpoint", "frames_dir")


def options_of(request: FleetRequest, folder: Path) -> dict[str, Any]:
    """Return the options of a request as values of JSON, for a lock in a folder."""
    options = {name: getattr(request, name) for name in _OWN}
    options |= {name: getattr(request.build, name) for name in _COMMON}
    for name in _PATHS:
        if options[name] is not None:
            options[name] = relative(options[name], folder)
    if options["model"].endswith(".onnx"):
        options["model"] = relative(Path(options["model"]), folder)
    return options


def request_of(options: Any, folder: Path, where: str) -> FleetRequest:
    """Return the request of options that `options_of` made; those that are missing were not asked for.

    Args:
        options: Options by name.
        folder: Folder of the lock.
        where: Place of the options, for errors.

    Raises:
        InputError: An option is unknown or has a value of another type.
        UsageError: An option has a value that does not exist.
    """
    try:
        given = msgspec.convert(options, dict[str, Any])
        if unknown := sorted(set(given) - {*_COMMON, *_OWN}):
            raise InputError(where, "options of this version", unknown[0], "plan the fleet again")
        paths = [name for name in _PATHS if isinstance(given.get(name), str)]
        if str(given.get("model", "")).endswith(".onnx"):
            paths.append("model")
        given |= {name: str(joined(folder, given[name])) for name in paths}
        common = {name: value for name, value in given.items() if name in _COMMON}
        own = {name: value for name, value in given.items() if name in _OWN}
        return msgspec.convert({**own, "build": common}, FleetRequest, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise InputError(where, "the options of a fleet", str(error), "plan the fleet again") from error


def relative(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, with slashes; a URL as it is."""
    if is_far(path):
        return url_of(path)
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def joined(folder: Path, text: str) -> Path:
    """Return the path that `relative` made a text of."""
    path = Path(text)
    return path if is_far(path) else folder / path


def _path(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"Expected a path, got {type(value).__name__}")
    return kind(value)
