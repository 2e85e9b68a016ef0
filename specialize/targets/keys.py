"""Checks files of toolchains against the keys that their documents name, before anybody runs them."""

from __future__ import annotations

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


def known(names: str, **nested: Keys) -> Keys:
    """Return keys given as words, and those whose values have keys of their own."""
    return {**dict.fromkeys(names.split()), **nested}
