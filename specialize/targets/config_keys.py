"""Checks files of toolchains against the keys that their documents name, before they are run."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from specialize.errors import InternalError, closest

Keys = Mapping[str, "Keys | None"]
"""Known keys of a mapping; None where anything goes. A list's items are checked against the keys of the list."""


def check_keys(document: object, keys: Keys, where: str) -> None:
    """Refuse a document with a key that is not known.

    Raises:
        InternalError: There is such a key: the template is wrong.
    """
    if isinstance(document, list):
        for index, item in enumerate(document):
            check_keys(item, keys, f"{where}[{index}]")
        return
    if not isinstance(document, Mapping):
        return
    for key, value in document.items():
        if key not in keys:
            raise InternalError(f"{where}.{key}", "a documented key", repr(key), closest(str(key), keys))
        inner = keys[key]
        if inner is not None:
            check_keys(value, inner, f"{where}.{key}")


def check_flags(script: str, flags: Keys, where: str) -> None:
    """Refuse a shell script with a long option that is not known; comments do not count.

    Raises:
        InternalError: There is such an option: the template is wrong.
    """
    commands = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))
    check_keys(dict.fromkeys(re.findall(r"(?<=\s)--([\w-]+)", commands)), flags, where)


def check_arguments(script: str, function: str, names: Keys, where: str) -> None:
    """Refuse a Python script that gives a function an argument by a name that is not known.

    Raises:
        InternalError: There is such an argument: the template is wrong.
    """
    for call in ast.walk(ast.parse(script)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == function:
            given = [keyword.arg for keyword in call.keywords if keyword.arg is not None]
            check_keys(dict.fromkeys(given), names, f"{where}: {function}")


def known(names: str, **nested: Keys) -> Keys:
    """Return keys given as words, and those whose values have keys of their own."""
    return {**dict.fromkeys(names.split()), **nested}
