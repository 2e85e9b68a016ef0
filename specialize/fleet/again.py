"""Write the command that plans a fleet again, with every option that its lock records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from specialize.fleet.lock import default_lock
from specialize.fleet.request import FleetRequest
from specialize.request import BuildOptions
from specialize.text.terminal import command

Word = str | Path


def planned_again(request: FleetRequest, fleet: Path, lock_file: Path) -> str:
    """Return the command that plans a fleet as a lock was planned.

    Args:
        request: What the lock says was asked for.
        fleet: The fleet, as it was named.
        lock_file: The lock, which that command replaces.
    """
    usual = FleetRequest(folder=fleet)
    words: list[Word] = ["specialize", "fleet", "plan", fleet]
    for part in fields(BuildOptions):
        words += _option(part.name, getattr(request.build, part.name), getattr(usual.build, part.name))
    for part in fields(FleetRequest):
        if part.name not in ("folder", "build"):
            words += _option(part.name, getattr(request, part.name), getattr(usual, part.name))
    if lock_file != default_lock(fleet):
        words += ["-o", lock_file]
    return command(*words)


def _option(name: str, value: Any, usual: Any) -> Iterator[Word]:
    """Yield the words of an option, once for each of several values; none if it has its usual one."""
    if value == usual:
        return
    for one in value if isinstance(value, tuple) else (value,):
        yield f"--{name.replace('_', '-')}"
        yield _here(Path(one)) if isinstance(one, Path) or str(one).endswith(".onnx") else str(one)


def _here(path: Path) -> Path:
    """Return a path as it is named from the current folder, if it is below that."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
