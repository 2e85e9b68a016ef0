"""Measure what users and developers install, and the demo: disk and processor time, each in a new environment.

Writes docs/install.json; `README.md` shows its table, and a test keeps both in step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
MEASURED = REPOSITORY / "docs" / "install.json"
DEMO = REPOSITORY / "docs" / "demo.txt"
README = REPOSITORY / "README.md"
FIRST, LAST = "<!-- table of installations: made by `make install-size` -->", "<!-- end of installations -->"

INSTALLATIONS = {
    "specialize": ("your own ONNX, the demo, calibrations, fleets", ""),
    "specialize[zoo]": ("also the built-in models and checkpoints, with torch for CPUs", "zoo"),
    "make install": (
        "also tests and tools: for work on this code",
        "zoo,formats,ros,images,fleet,s3,openvino,browser,sign,test,dev",
    ),
}
"""What is installed -> its purpose, and its extras."""

MIB = 2**20


def run(command: list[str], cwd: Path = REPOSITORY, **more: str) -> dict[str, float]:
    """Run a command and return seconds on the clock and of processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    output_of(command, cwd, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(time.monotonic() - start, 1), "cpu_s": round(used, 1)}


def output_of(command: list[str], cwd: Path = REPOSITORY, **more: str) -> str:
    """Run a command with the environment's packages alone and return its stdout."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | more
    return subprocess.run(command, check=True, cwd=cwd, env=env, capture_output=True, text=True).stdout


def size_mib(folder: Path) -> int:
    """Return what the files below a folder take, links not followed."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return round(sum(path.stat().st_size for path in files) / MIB)


def measure(wheel: Path, extras: str, room: Path) -> tuple[dict[str, Any], str]:
    """Install the wheel with extras in a new environment, run the demo, and uninstall it; return what the demo prints.

    Args:
        wheel: The wheel.
        extras: Of the package; empty for none.
        room: Folder for the environment and the demo.
    """
    venv = room / "venv"
    run([sys.executable, "-m", "venv", str(venv)])
    empty = size_mib(venv)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    wanted = ["-c", str(REPOSITORY / "constraints.txt"), f"{wheel}[{extras}]" if extras else str(wheel)]
    installed = run([*pip, "install", "--quiet", *wanted])
    listed = output_of([*pip, "list", "--format=json"])
    environment = {"SPECIALIZE_STORE": str(room / "store")}
    demo = run([str(venv / "bin" / "specialize"), "demo"], room, **environment)
    shown = output_of([str(venv / "bin" / "specialize"), "demo", "-o", "again"], room, **environment)
    size = size_mib(venv) - empty
    run([*pip, "uninstall", "--quiet", "--yes", "specialize"])
    homes = ("lib/*/site-packages/specialize*", "bin/specialize*")
    left = [str(path.relative_to(venv)) for home in homes for path in venv.glob(home)]
    found = {"mib": size, "packages": len(json.loads(listed)), "install": installed, "demo": demo}
    return found | {"left_by_uninstall": left}, shown.replace("again/", "specialize-demo/")


def table(measured: dict[str, dict[str, Any]]) -> str:
    """Return the table of README.md."""
    lines = ["| installation | for | disk | processor time |", "| --- | --- | ---: | ---: |"]
    for name in filter(measured.__contains__, INSTALLATIONS):
        purpose, found = INSTALLATIONS[name][0], measured[name]
        lines.append(f"| `{name}` | {purpose} | {found['mib']:,} MiB | {found['install']['cpu_s']:.0f} s |")
    demo = measured["specialize"]["demo"]
    said = f"`specialize demo` took {demo['cpu_s']:.0f} s of processor time."
    return "\n".join([*lines, "", f"Downloads come on top. {said}"])


def in_readme(text: str, made: str, demo: str) -> str:
    """Return README.md with the table and what the demo prints in their places."""
    text = _between(text, FIRST, LAST, f"\n\n{made}\n\n")
    return _between(text, "```text\n", "```\n", demo)


def _between(text: str, first: str, last: str, made: str) -> str:
    before, _, rest = text.partition(first)
    return f"{before}{first}{made}{last}{rest.partition(last)[2]}"


def main() -> None:
    """Measure, and write the files and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure anew [default: all]")
    wanted = parser.parse_args().names or list(INSTALLATIONS)
    measured: dict[str, Any] = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        run([sys.executable, "-m", "build", "--wheel", "--outdir", str(room), str(REPOSITORY)])
        (wheel,) = room.glob("*.whl")
        for name in wanted:
            place = room / "place"
            place.mkdir()
            measured[name], demo = measure(wheel, INSTALLATIONS[name][1], place)
            MEASURED.write_text(json.dumps(measured, indent=2) + "\n")
            DEMO.write_text(demo)
            shutil.rmtree(place)
    README.write_text(in_readme(README.read_text(), table(measured), demo))


if __name__ == "__main__":
    main()
