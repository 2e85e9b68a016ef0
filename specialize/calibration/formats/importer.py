"""Import a calibration by the name of its format, with options given as text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from specialize.calibration.formats import FORMATS
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError, closest

_FAULTS = (
    AttributeError, IndexError, KeyError, MemoryError, OverflowError, RecursionError, TypeError, ValueError,
)  # fmt: skip


def read_format(name: str, path: str | Path, options: Mapping[str, str]) -> CalibrationProfile:
    """Return the profile that a file or folder of a known format describes.

    Args:
        name: A key of `FORMATS`.
        path: The file or folder.
        options: Values of the format's options, as text; see `options_of`.

    Raises:
        UsageError: The format or an option is unknown, or a value does not fit its option.
        InputError: The calibration cannot be read.
    """
    values: dict[str, Any] = option_values(name, options)
    try:
        result: CalibrationProfile = import_module(FORMATS[name]).read(Path(path), **values)
    except _FAULTS as error:
        # Foreign files may lack anything; if a reader fails with any exception, the file is at fault.
        found = f"{type(error).__name__}: {error}"
        raise InputError(str(path), f"a well-formed {name} calibration", found) from error
    return result


def option_values(name: str, options: Mapping[str, str]) -> dict[str, str | int | bool]:
    """Return the options of a format as their types.

    Raises:
        UsageError: The format or an option is unknown, or a value does not fit its option.
    """
    known = options_of(name)
    values: dict[str, str | int | bool] = {}
    for key, text in options.items():
        if key not in known:
            hint = closest(key, known) if known else "this format has no options"
            raise UsageError(f"{name}: option {key}", "a known option", repr(key), hint)
        values[key] = _converted(text, type(known[key]), f"{name}: option {key}")
    return values


def options_of(name: str) -> dict[str, str | int | bool]:
    """Return the options of a format with their defaults.

    Raises:
        UsageError: The format is unknown.
    """
    if name not in FORMATS:
        raise UsageError("format", "a known format", repr(name), closest(name, FORMATS))
    parameters = inspect.signature(import_module(FORMATS[name]).read).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.name != "path"}


def explained(name: str) -> dict[str, str]:
    """Return what the options of a format mean: the arguments in the docstring of its `read`."""
    known = options_of(name)
    text = inspect.getdoc(import_module(FORMATS[name]).read) or ""
    found: dict[str, str] = {}
    last = ""
    for line in text.partition("Args:\n")[2].splitlines():
        option, sign, meaning = line.strip().partition(": ")
        if line.startswith("        ") and last:  # goes on
            found[last] += f" {line.strip()}"
        elif sign and option in known:
            found[option], last = meaning, option
        else:
            last = ""
    return found


def description_of(name: str) -> str:
    """Return a format's description: the docstring of its module."""
    options_of(name)
    return inspect.getdoc(import_module(FORMATS[name])) or ""


def _converted(text: str, kind: type, where: str) -> str | int | bool:
    """Return an option's text as the type of its default."""
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UsageError(where, "true or false", repr(text))
        return words[text.lower()]
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise UsageError(where, "a whole number", repr(text)) from None
    return text
