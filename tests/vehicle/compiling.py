"""Compiles C++ for the tests with every warning an error, as the header promises."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from specialize.vehicle.toolchain import FLAGS, include_dir, source

HERE = Path(__file__).resolve().parent
SOURCES = source("vehicle.cpp").parent
STRICT = (*FLAGS, "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def gxx() -> str:
    """Return g++, which the tests of what runs on the vehicle need."""
    found = shutil.which("g++")
    if found is None:
        pytest.fail("expected g++ on PATH, as README.md asks for: what runs on the vehicle is C++")
    return found


def compiled(path: Path, output: Path, *flags: str) -> Path:
    """Compile one file with g++; every warning is an error."""
    command = [gxx(), *STRICT, *flags, "-I", str(include_dir()), str(path), "-o", str(output)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return output
