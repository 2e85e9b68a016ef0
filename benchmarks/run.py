"""Measure the processor time of commands that should answer at once; write them beside the machine's name.

usage: python benchmarks/run.py [--rounds N] [--results FOLDER]

A command runs in a process of its own, and its figure is the processor time of that process, user and system: other
work on the machine counts little. Figures belong to the machine that the file names. No test reads them as a limit;
tests count what does not depend on a machine, such as modules imported. Compare two files to see what a change did.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout, not an installed package
from specialize.version import VERSION  # noqa: E402  the checkout, not an installed package

CAR42, CAR43 = (str(ROOT / "calib_profiles" / f"{name}.yaml") for name in ("car42", "car43"))
RESULTS = ROOT / "benchmarks" / "results"
SCHEMA = "specialize/benchmarks@1"
ROUNDS = 11
LOAD = f"from specialize.calibration.load import load_profile\nfor _ in range(100): load_profile({CAR42!r})"

Command = Callable[[Path], list[str]]

CASES: dict[str, Command] = {
    "python": lambda room: ["-c", "pass"],
    "help": lambda room: ["-m", "specialize", "--help"],
    "check": lambda room: ["-m", "specialize", "check", str(room), "--calib", CAR42],
    "check-stale": lambda room: ["-m", "specialize", "check", str(room), "--calib", CAR43],
    "plan": lambda room: ["-m", "specialize", "plan", "--calib", CAR42, "-o", str(room.parent / "plan.npz")],
    "diff": lambda room: ["-m", "specialize", "diff", CAR42, CAR43],
    "load-100-profiles": lambda room: ["-c", LOAD],
    "report": lambda room: ["-m", "specialize", "report", str(room)],
}
"""What is measured: arguments of Python, given the folder of a build of car42. `python` is the interpreter alone."""

FAILING = {"check-stale": 3, "diff": 3}
"""Exit codes other than 0 that are right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Processor time of one command in seconds, over `rounds` processes."""

    rounds: int
    median_s: float
    lowest_s: float
    highest_s: float


def main() -> None:
    """Measure every case, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    with temporary_folder("benchmarks") as folder:
        room = make_build(folder / "car42")
        figures = {
            name: measure(arguments(room), chosen.rounds, FAILING.get(name, 0))
            for name, arguments in CASES.items()
        }
    for name, figure in figures.items():
        low, median, high = (1e3 * value for value in (figure.lowest_s, figure.median_s, figure.highest_s))
        print(f"{name:20} {median:8.0f} ms   ({figure.rounds} rounds, {low:.0f} to {high:.0f})")
    write(chosen.results, figures)


def measure(arguments: Sequence[str], rounds: int, code: int = 0) -> Figure:
    """Run Python with these arguments, once unmeasured to fill caches; return the processor time.

    Raises:
        SystemExit: A process ended with another exit code.
    """
    seconds = []
    for number in range(rounds + 1):
        taken, ended = processor_seconds(arguments)
        if ended != code:
            raise SystemExit(f"{' '.join(arguments)}: expected exit code {code}, got {ended}")
        seconds += [taken] if number else []
    return Figure(
        rounds=rounds,
        median_s=round(statistics.median(seconds), 4),
        lowest_s=round(min(seconds), 4),
        highest_s=round(max(seconds), 4),
    )


def write(folder: Path, figures: dict[str, Figure]) -> Path:
    """Write figures, machine and versions into `commands.json` of a folder."""
    return write_results(folder / "commands.json", SCHEMA, figures, commit=commit())


def write_results(path: Path, schema: str, figures: Mapping[str, Any], **about: object) -> Path:
    """Write figures, which are dataclasses by name, with machine, version, and what else they are about."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": schema,
        "version": VERSION,
        "machine": machine(),
        **about,
        "figures": {name: asdict(figure) for name, figure in figures.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def commit() -> str:
    """Return the commit that is measured, with a plus sign if files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, str | int]:
    """Return what figures depend on: processor, cores, system and Python; no name of the host."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def make_build(folder: Path) -> Path:
    """Write the folder of a build of car42 whose model is a few bytes: the commands here read none."""
    from tests.cli.builds import make_build as made

    return made(folder, Path(CAR42))


def processor_seconds(arguments: Sequence[str], tree: Path = ROOT) -> tuple[float, int]:
    """Run Python with these arguments and the code of a tree; return its processor time and exit code."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    errors = None if tree == ROOT else quiet
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=tree, env=environment, stdout=quiet, stderr=errors
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, process.returncode


def _processor() -> str:
    """Return the processor's own name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


if __name__ == "__main__":
    main()
