"""Locate data files: next to the package in a checkout, inside the package in a wheel."""

from __future__ import annotations

from pathlib import Path

from specialize.errors import InternalError

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_dir(name: str) -> Path:
    """Return the folder `name` (`templates`, `calib_profiles`, `ci` or `demo`) of this installation.

    Raises:
        InternalError: The installation lacks the folder.
    """
    candidates = (_PACKAGE / "_data" / name, _PACKAGE.parent / name)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    hint = "the installation is incomplete: reinstall the package"
    raise InternalError(str(candidates[0]), "a folder of packaged data", "none", hint)
