"""Find the line of a toolchain's log that says why it refused, where the exception only says that it did."""

from __future__ import annotations

import re

MARK = "RESULT "

REASONS = (
    "must be",
    "need to be",
    "not found",
    "not support",
    "unsupport",
    "cannot be",
    "failed to legalize",
)
"""Words in the lines that say why."""

STATED = "REASON : "
"""Some logs mark the line themselves."""

FATAL = re.compile(r'<E> ".*" generated: (.*)')
"""A line of a compiler that took the nodes and then no graph; the operator that it names first is not always meant."""

NOISE = re.compile(r"\x1b\[[0-9;]*m|^\S*it/s\]|^\d{4}-\d\d-\d\d \S+ \[\w:[^\]]*\] ")
LONGEST = 240


def quoted(log: str) -> str:
    """Return the line that says why, with the operator that it is about if the log names it; empty if none does."""
    lines = [NOISE.sub("", line).strip() for line in log.splitlines() if MARK not in line]
    stated = [place for place, line in enumerate(lines) if line.startswith(STATED) and line != STATED.strip()]
    if stated:
        reason = lines[stated[0]].removeprefix(STATED)
        before = lines[stated[0] - 1] if stated[0] else ""
        named = re.search(r"Operator type: (\w+) Node name: (\S+)", before)
        return (f"{named[1]} at {named[2]}: {reason}" if named else reason)[:LONGEST]
    fatal = next((match[1] for match in map(FATAL.match, lines) if match), "")
    if fatal:
        return fatal[:LONGEST]
    found = [line for line in lines if any(word in line for word in REASONS) and not _about_us(line)]
    first = [line for line in found if "NonZero" in line] or found
    return min(first, key=len)[:LONGEST] if first else ""


def _about_us(line: str) -> bool:
    """Return whether a line is a Python warning or a frame of a traceback, not the toolchain's own words."""
    return "Warning" in line or line.startswith(("File ", "raise "))
