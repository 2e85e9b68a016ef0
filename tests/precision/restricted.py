"""Processes in which a runtime sees fewer features of the processor, and what converted models lose there.

Run as a program it measures: `python -m tests.precision.restricted FLOAT32 CONVERTED ...` prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from specialize.precision.loss import ANYTHING
from specialize.verify import compare_models
from tests.cli.running import REPOSITORY
from tests.precision.models import frames

ONEDNN = "ONEDNN_MAX_CPU_ISA"
"""Read by the oneDNN in OpenVINO; a level above the processor's own changes nothing."""

RUNTIMES = ("onnxruntime", "onnxruntime-kernels", "openvino")
WITHOUT_VNNI = ("onednn SSE41", "onednn AVX2", "onednn AVX512_CORE")
"""Levels at which OpenVINO has no dot products of 8 bits; below AVX512_CORE it honours them in these products only."""

HIDDEN = ("cpuid without VNNI", "cpuid without AVX-512")
"""Levels at which both runtimes have none; where the system allows it."""


def levels(folder: Path) -> dict[str, dict[str, str]]:
    """Return environment variables by the name of a level, from the lowest to that of the machine itself."""
    found = {name: {ONEDNN: name.removeprefix("onednn ")} for name in WITHOUT_VNNI}
    library = _hiding(folder)
    if library is not None:
        found[HIDDEN[0]] = {"LD_PRELOAD": str(library)}
        found[HIDDEN[1]] = {"LD_PRELOAD": str(library), "WITHOUT_AVX512": "1"}
    return {**found, "machine": {}}


def _hiding(folder: Path) -> Path | None:
    """Compile the library that hides features from a process; nothing where the machine does not allow it."""
    compiler = shutil.which("cc")
    if platform.machine() != "x86_64" or sys.platform != "linux" or compiler is None:
        return None
    library = folder / "without_vnni.so"
    source = Path(__file__).with_name("without_vnni.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    tried = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": str(library)}, check=False)
    return library if tried.returncode == 0 else None


def losses(environment: dict[str, str], models: dict[str, tuple[Path, Path]]) -> dict[str, dict[str, float]]:
    """Return the largest difference from float32 of each converted model on each runtime, in a restricted process."""
    paths = [str(path) for pair in models.values() for path in pair]
    done = subprocess.run(
        [sys.executable, "-m", "tests.precision.restricted", *paths],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(models, json.loads(done.stdout.splitlines()[-1]), strict=True))


def _measured(float32: Path, converted: Path) -> dict[str, Any]:
    shown = frames(float32)
    return {
        runtime: compare_models(float32, converted, shown, {"out": ANYTHING}, runtime=runtime)
        .outputs["out"]
        .max_abs
        for runtime in RUNTIMES
    }


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    print(json.dumps([_measured(*pair) for pair in zip(given[::2], given[1::2], strict=True)]))  # noqa: T201
