"""The headers compile without warnings, for every compiler and processor that is promised, and for C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from specialize.vehicle.toolchain import include_dir
from tests.vehicle import compiling

HEADERS = sorted((include_dir() / "specialize").glob("*.h*"))
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


def zig(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run clang for any target, which the package `ziglang` brings."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "ziglang", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-linux-gnu"])
def test_clang_compiles_it(tmp_path: Path, target: str) -> None:
    """The compiler clang takes every source for both processors, without a warning."""
    for path in sorted(compiling.SOURCES.glob("*.cpp")):
        words = (*compiling.STRICT, "-I", str(include_dir()), "-c", str(path), "-o", str(tmp_path / "out.o"))
        ran = zig(tmp_path, "c++", "-target", target, *words)
        assert ran.returncode == 0, ran.stderr


def test_gxx_compiles_every_source(tmp_path: Path) -> None:
    """g++ takes every source, at every level of optimization, without a warning."""
    for path in sorted(compiling.SOURCES.glob("*.cpp")):
        for level in ("-O0", "-O3"):
            compiling.compiled(path, tmp_path / "out.o", "-c", level)


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_each_header_stands_alone(tmp_path: Path, header: Path) -> None:
    """Every header compiles on its own, and twice in one file."""
    path = tmp_path / "one.cpp"
    path.write_text(f'#include "specialize/{header.name}"\n#include "specialize/{header.name}"\n')
    compiling.compiled(path, tmp_path / "one.o", "-c")


def test_the_interface_is_c(tmp_path: Path) -> None:
    """A C compiler takes vehicle.h, and a C program links with the library."""
    path = tmp_path / "main.c"
    path.write_text(
        '#include "specialize/vehicle.h"\n'
        "int main(void) { specialize_contract c; return specialize_open(0, 0, &c) != SPECIALIZE_TOO_SHORT; }\n"
    )
    folder = ("-I", str(include_dir()))
    compiling.compiled(compiling.SOURCES / "vehicle.cpp", tmp_path / "vehicle.o", "-c")
    done = ["gcc", "-std=c99", *WARNINGS, *folder, "-c", str(path), "-o", str(tmp_path / "main.o")]
    subprocess.run(done, check=True)
    program = str(tmp_path / "main")
    subprocess.run(
        ["gcc", str(tmp_path / "main.o"), str(tmp_path / "vehicle.o"), "-lm", "-o", program], check=True
    )
    assert subprocess.run([program], check=False).returncode == 0


def test_no_allocation_and_no_exception(tmp_path: Path) -> None:
    """The library calls neither malloc, new, a lock, a clock nor a locale."""
    compiling.compiled(compiling.SOURCES / "vehicle.cpp", tmp_path / "vehicle.o", "-c")
    ran = subprocess.run(
        ["nm", "-u", "-C", str(tmp_path / "vehicle.o")], capture_output=True, text=True, check=True
    )
    needed = {line.split()[-1] for line in ran.stdout.splitlines()}
    usual = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    assert needed - usual <= {
        "memcmp",
        "memcpy",
        "memset",
        "strncmp",
        "strlen",
        "asin",
        "sqrt",
        "sqrtf",
        "floor",
        "floorf",
        "fmax",
        "fmin",
    }


def test_the_core_is_short() -> None:
    """The guard is read in ten minutes: no header has more than 600 lines."""
    assert {path.name: len(path.read_text().splitlines()) for path in HEADERS}["guard.hpp"] <= 600
    assert all(len(path.read_text().splitlines()) <= 600 for path in HEADERS)


def test_fast_arithmetic_is_refused(tmp_path: Path) -> None:
    """-ffast-math does not compile."""
    path = tmp_path / "one.cpp"
    path.write_text('#include "specialize/guard.hpp"\n')
    with pytest.raises(AssertionError, match="-ffast-math changes results"):
        compiling.compiled(path, tmp_path / "one.o", "-c", "-ffast-math")


def test_fused_arithmetic_is_noticed(tmp_path: Path) -> None:
    """Where a compiler may fuse a multiplication with an addition, opening a contract says so."""
    path = tmp_path / "one.cpp"
    path.write_text('#include "specialize/bytes.hpp"\nint main() { return specialize::bytes::is_fused(); }\n')
    has_fma = "fma" in Path("/proc/cpuinfo").read_text().split()
    for flags, expected in (
        (("-mfma", "-ffp-contract=fast"), has_fma),
        (("-mfma", "-ffp-contract=off"), False),
    ):
        program = compiling.compiled(path, tmp_path / "one", *flags)
        if has_fma or not expected:
            assert subprocess.run([str(program)], check=False).returncode == int(expected)
