"""Locate the C++ sources of this installation, and compile them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from specialize.errors import InputError, UsageError
from specialize.files.atomic import explained, make_room
from specialize.text.record import Record

FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-exceptions", "-fno-rtti")
"""Flags for the same bits on every machine and for small programs; the sources compile without warnings."""

COMPILERS = ("c++", "g++", "clang++")

_HERE = Path(__file__).resolve().parent


def include_dir() -> Path:
    """Return the folder that holds `specialize/guard.hpp`, for a compiler's `-I`."""
    return _HERE / "include"


def source(name: str) -> Path:
    """Return the path of a C++ source in this installation."""
    return _HERE / "src" / name


def compiler() -> str:
    """Return the C++ compiler: what `CXX` names, or the first that is there.

    Raises:
        UsageError: There is none.
    """
    wanted = os.environ.get("CXX")
    found = shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, COMPILERS)), None)
    if found is None:
        hint = f"install g++ or clang++, or name one as CXX; the source is {source('guard.cpp')}"
        raise UsageError("C++ compiler", wanted or "c++, g++ or clang++ on PATH", "none", hint)
    return found


def build_source(name: str, output: Path, flags: Sequence[str] = ()) -> Compiled:
    """Compile one of the sources.

    Raises:
        UsageError: There is no compiler.
        InputError: It fails.
    """
    make_room(output)
    temporary = output.with_name(f".{output.name}.tmp")
    command = [compiler(), *FLAGS, *flags, "-I", str(include_dir()), str(source(name)), "-o", str(temporary)]
    with explained(output):
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise InputError(str(output), "a compiler that supports C++17", ran.stderr.strip()[-500:])
            temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
    return Compiled(output=output, source=source(name), compiler=command[0], flags=FLAGS)


class Compiled(Record, frozen=True, kw_only=True):
    """`specialize vehicle tool --json`.

    Attributes:
        output: File that was compiled.
        source: What it was compiled from.
        compiler: With what.
        flags: With which flags.
    """

    output: Path
    source: Path
    compiler: str
    flags: tuple[str, ...]


class Headers(Record, frozen=True, kw_only=True):
    """`specialize vehicle include-dir --json`.

    Attributes:
        include_dir: Folder for a compiler's `-I`.
        sources: Files that can be compiled with it.
    """

    include_dir: Path
    sources: tuple[Path, ...]


def headers() -> Headers:
    """Return where the guard's headers and sources are."""
    return Headers(include_dir=include_dir(), sources=(source("vehicle.cpp"), source("guard.cpp")))


def build_tool(output: Path) -> Compiled:
    """Compile the program `guard`.

    Raises:
        UsageError: There is no compiler.
        InputError: It fails.
    """
    return build_source("guard.cpp", output)


def build_library(output: Path) -> Compiled:
    """Compile the C interface to a shared library.

    Raises:
        UsageError: There is no compiler.
        InputError: It fails.
    """
    return build_source("vehicle.cpp", output, ("-shared", "-fPIC"))
