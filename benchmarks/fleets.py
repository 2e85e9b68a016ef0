"""Measure how long fleet commands on simulated fleets take and how much memory, beside the machine's name.

usage: python benchmarks/fleets.py [--counts N ...] [--cases NAME ...] [--results FOLDER] [--kept FOLDER]

Each case runs a command on a table, of a plan lock included, in a process of its own. Without `--jobs` that one starts
one process per core for large fleets. `since` compares with a state of which every hundredth vehicle was recalibrated.
`status` reads the lock of the last plan; no build is in the store. `pack` reads a table and writes another. On dask
there are two workers, and the lock must be that of this machine's processes, byte for byte. Figures that are not
measured now stay as they are.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, machine, write_results  # noqa: E402  the checkout, not an installed package
from benchmarks.simulated_fleet import write_fleet  # noqa: E402  the checkout, not an installed package
from benchmarks.turns import stored  # noqa: E402  the checkout, not an installed package

SCHEMA = "specialize/benchmarks-fleets@1"
FILE = "fleets.json"
PLAN, DIFF = ("plan", "--model"), ("diff",)
ON_DASK = ("--engine", "dask", "--jobs", "2")
CASES: dict[str, tuple[str, ...]] = {
    "pack": ("pack", "-o", "{packed}"),
    "tables of bevformer_tiny": (*PLAN, "bevformer_tiny", "--mode", "tables"),
    "tables of bevformer_tiny with a camera off": (
        *PLAN,
        "bevformer_tiny",
        "--mode",
        "tables",
        "--subsets",
        "1",
    ),
    "tables of bevformer_base": (*PLAN, "bevformer_base", "--mode", "tables"),
    "tables of bevformer_base on dask": (
        *PLAN,
        "bevformer_base",
        "--mode",
        "tables",
        *ON_DASK,
    ),
    "envelope of bevformer_base": (*PLAN, "bevformer_base", "--mode", "envelope"),
    "status": ("status",),
    "diff": DIFF,
    "diff with bevformer_base": (*DIFF, "--model", "bevformer_base"),
    "diff since": (*DIFF, "--since", "{since}"),
}
COUNTS = (1_000, 10_000, 100_000)
RECALIBRATED = 100
"""One vehicle in so many has another calibration in the state that `since` compares with."""

RUN = """
import os, resource, sys
from specialize.cli.app import run
if __name__ == "__main__":  # processes that this one starts import this file
    code = run(sys.argv[1:])
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = sum(one.ru_utime + one.ru_stime for one in both)
    print("SPENT", code, spent, max(one.ru_maxrss for one in both) / 1024, file=sys.stderr)
"""
_HEADS = {
    "plan": re.compile(
        r"([\d,]+) vehicles of (\d+) kinds(?: and [\d,]+ rigs with cameras off)?, "
        r"([\d,]+) builds? of .*\((no plan has fewer)?"
    ),
    "diff": re.compile(r"([\d,]+) vehicles in .*, compared with the medians of (\d+) kinds"),
    "since": re.compile(r".* since .*: [\d,]+ recalibrated"),
    "status": re.compile(r"([\d,]+) vehicles: "),
    "pack": re.compile(r"packed ([\d,]+) vehicles"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one command took.

    Attributes:
        vehicles: How many.
        seconds: Wall time of the whole command, while other work ran on the machine or not.
        processor_seconds: Processor time of all its processes.
        processor_ms_each: The same for one vehicle, in milliseconds.
        most_mib: Most memory of a process.
        kinds: Kinds of vehicles that it told apart; 0 of a command that tells none.
        builds: Builds that it planned; 0 of a command that plans none.
        fewest: Whether no plan has fewer.
        processor: Of the machine.
    """

    vehicles: int
    seconds: float
    processor_seconds: float
    processor_ms_each: float
    most_mib: float
    kinds: int
    builds: int
    fewest: bool
    processor: str


def main() -> None:
    """Measure, print and write figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--kept", type=Path, default=ROOT / "build" / "fleets")
    chosen = parser.parse_args()
    for count in chosen.counts:
        table = fleet(chosen.kept, count)
        for case in chosen.cases:
            figure = measure(case, table, count)
            print(
                f"{case}, {count:,}: {figure.seconds:.0f} s, {figure.processor_ms_each:.3f} ms of processor each, "
                f"{figure.most_mib:.0f} MiB, {figure.builds} builds",
                flush=True,
            )
            write(chosen.results, {f"{case}, {count}": figure})


def fleet(folder: Path, count: int, recalibrated: int = 0) -> Path:
    """Return the table of a simulated fleet, written if it is not there."""
    table = folder / f"{count}{'-later' if recalibrated else ''}.parquet"
    if not table.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_fleet(table, count, recalibrated=recalibrated)
    return table


def measure(case: str, table: Path, count: int) -> Figure:
    """Run a command on a fleet in a process of its own.

    Raises:
        SystemExit: The command failed.
    """
    script = table.with_name("run.py")
    script.write_text(RUN)
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    command, *options = CASES[case]
    if "--since" in options:
        options = ["--since", str(fleet(table.parent, count, RECALIBRATED))]
    options = [option.format(packed=table.with_suffix(".packed.parquet")) for option in options]
    line = [sys.executable, str(script), "fleet", command, str(table), *options]
    wanted: dict[str, bytes] = {}
    if "dask" in options:
        subprocess.run(line[: -len(ON_DASK)], env=environment, capture_output=True, check=True)
        wanted = locks(table)
    start = time.perf_counter()
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if wanted and locks(table) != wanted:
        raise SystemExit(f"{case} of {count}: expected the lock of this machine's processes, got another")
    head = _HEADS["since" if "--since" in options else command].match(done.stdout)
    if done.returncode or head is None:
        raise SystemExit(
            f"{case} of {count}: expected a result, got exit code {done.returncode}\n{done.stderr[-2000:]}"
        )
    _, _, spent, memory = done.stderr.splitlines()[-1].split()
    kinds, builds = (int(number.replace(",", "")) for number in (*head.groups()[1:3], "0", "0")[:2])
    return Figure(
        vehicles=count, seconds=round(seconds, 1), processor_seconds=round(float(spent), 1),
        processor_ms_each=round(1e3 * float(spent) / count, 3), most_mib=round(float(memory), 1),
        kinds=kinds, builds=builds, fewest=bool(head.groups()[3:] and head[4]),
        processor=str(machine()["processor"]),
    )  # fmt: skip


def locks(table: Path) -> dict[str, bytes]:
    """Return the lock of a fleet and the table beside it, by their names."""
    return {path.name: path.read_bytes() for path in table.parent.glob(f"{table.stem}.lock*")}


def page_row(name: str, figure: Figure) -> str:
    """Return a figure as a row of the table in `docs/concepts/fleet-plan.md`."""
    spent = f"{figure.processor_ms_each:.2f} ms"
    builds = f"{figure.builds:,}{'' if figure.fewest else '+'}" if figure.builds else "-"
    return (
        f"| {name.partition(',')[0]} | {figure.vehicles:,} | {figure.seconds:,.0f} s | {spent} "
        f"| {figure.most_mib:.0f} MiB | {figure.kinds or '-'} | {builds} | {figure.processor} |"
    )


def write(folder: Path, figures: dict[str, Figure]) -> Path:
    """Write figures, machine and version into a file that keeps the others it has."""
    path = folder / FILE
    every = stored(path, Figure) | figures
    order = [
        f"{case}, {count}" for case in CASES for count in sorted({one.vehicles for one in every.values()})
    ]
    return write_results(path, SCHEMA, {name: every[name] for name in order if name in every})


if __name__ == "__main__":
    main()
