"""Describe what a result depends on besides the model: a runtime's version and features of the processor."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from pathlib import Path

FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
    "asimddp", "i8mm", "bf16", "fphp", "sve",
)  # fmt: skip
"""Names in Linux, of x86 and ARM: instruction sets that change how integers and short floats are added."""

_CPUINFO = Path("/proc/cpuinfo")


def architecture() -> str:
    """Return the processor's architecture, as `x86_64`."""
    return platform.machine()


def processor_features() -> tuple[str, ...]:
    """Return those of `FEATURES` that the processor has; empty if the system does not report them (not Linux)."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    stated = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    present = set(stated.partition(":")[2].split())
    return tuple(name for name in FEATURES if name in present)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def version_of(package: str) -> str:
    """Return the version of an installed package, without a local part."""
    return importlib.metadata.version(package).partition("+")[0]
