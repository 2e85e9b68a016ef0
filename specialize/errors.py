"""Every error that a user can meet, and the exit code that belongs to it.

    SpecializeError            1   something the user can fix
    ├── InputError             1   a file or value given by the user is wrong
    ├── UsageError             2   the command line asks for something that does not exist
    ├── DeclinedError          1   the model cannot be specialized, and why
    ├── StaleError             3   the calibration is not the one the build was made for
    ├── VerificationError      4   the specialized model does not equal the original, or its geometry the witness's
    └── InternalError         70   a bug in this package

An error says where, what was expected, what was found and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SpecializeError(Exception):
    """An error with a place, an expectation, a finding and a remedy.

    Args:
        where: File and key path, node, or option that is wrong.
        expected: What should have been there.
        found: What was there; empty if nothing sensible can be shown.
        hint: What to do about it; empty if the expectation says it all.
    """

    exit_code = 1

    def __init__(self, where: str, expected: str, found: str = "", hint: str = "") -> None:
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(where, expected, found, hint)

    def __str__(self) -> str:
        """Return `where: expected …, got …`, then the hint after a blank line."""
        line = f"{self.where}: expected {self.expected}"
        if self.found:
            line += f", got {self.found}"
        return f"{line}\n\nhint: {self.hint}" if self.hint else line


class InputError(SpecializeError):
    """A file or a value given by the user is wrong."""


class UsageError(SpecializeError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class DeclinedError(SpecializeError):
    """The model cannot be specialized; the text says what stands in the way."""


class StaleError(SpecializeError):
    """The calibration is not the one that the build was made for."""

    exit_code = 3


class VerificationError(SpecializeError):
    """The specialized model does not compute what the original computes, or is made for another geometry."""

    exit_code = 4


class InternalError(SpecializeError):
    """Something that this package promised does not hold: a bug here."""

    exit_code = 70


def missing_package(where: str, package: str, extra: str, purpose: str = "", hint: str = "") -> UsageError:
    """Return the error of an optional package that is not installed.

    Args:
        where: Option or format that needs the package.
        package: Its name.
        extra: The extra of this package that installs it.
        purpose: What it is needed for, `to read recordings`.
        hint: What else helps, `or name an ONNX file`.
    """
    expected = f"the package {package}" + (f", {purpose}" if purpose else "")
    command = install_command(extra)
    return UsageError(where, expected, "none", f"{command}, {hint}" if hint else command)


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this package."""
    return f"pip install 'specialize[{extra}]'"


MOST_LISTED = 60


def closest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the closest known word, else a list of all, or of the first of many."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1)
    if match:
        return f"did you mean {match[0]!r}?"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"known: {', '.join(names[:MOST_LISTED])}{more}"
