"""Measure what a further vehicle's exact build costs, beside the first one, which records and is proven whole.

usage: python -m tools.marginal MODEL ... [--write] [--frames N] [--fleet]

The first vehicle is built by one process, and three further ones by another, with the recording of the first, on two
threads; the last one's figures count, because it finds all libraries loaded, and beside them what the first of the
three took, imports included: that is a build in a process of its own. The process keeps the model's files, as those
of a fleet do. With `--fleet`, `fleet build` makes the exact builds of a simulated fleet as well, in two processes at
once. Figures belong to the machine that the file names; processor seconds are close to those of a quiet machine, wall
time is not.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.simulated_fleet import write_fleet
from specialize.compiler.build import build
from specialize.compiler.unpacked import keep
from specialize.files.scratch import temporary_folder
from specialize.fleet.build import build_fleet
from specialize.fleet.executors import executor_of
from specialize.fleet.lock import lock_of, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.text.units import counted
from specialize.version import code_version
from tools.marks import Marks

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "marginal.json"
PAGE = REPOSITORY / "docs" / "concepts" / "fleet-plan.md"
FIRST = REPOSITORY / "calib_profiles" / "car42.yaml"
FURTHER = tuple(REPOSITORY / "calib_profiles" / "demo_fleet" / f"van_0{number}.yaml" for number in (1, 2, 3))
VEHICLES, PROCESSES = 48, 2
"""Vehicles of the simulated fleet, and processes that make their builds."""
SCHEMA = "specialize/marginal@1"
MARKS = Marks("marginal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure models and print or write what was found; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="names of built-in models")
    parser.add_argument("--write", action="store_true", help="write the results and the table of the page")
    parser.add_argument("--frames", type=int, default=4, help="frames that the first build is proven on")
    parser.add_argument("--fleet", action="store_true", help="measure the builds of a fleet as well")
    parser.add_argument(
        "--only", nargs=2, metavar=("MODEL", "WHICH"), help="what a process of its own measures"
    )
    given = parser.parse_args(arguments)
    if given.only:
        model, which = given.only
        print(json.dumps(of_fleet(model) if which == "fleet" else measure(model, which, given.frames)))
        return 0
    known = json.loads(RESULTS.read_text())["models"] if RESULTS.exists() else {}
    cases = ("first", "further", "fleet") if given.fleet else ("first", "further")
    for model in given.models:
        known[model] = {which: _apart(model, which, given.frames) for which in cases}
    data = {"schema": SCHEMA, "machine": platform.machine(), "models": dict(sorted(known.items()))}
    if given.write:
        RESULTS.write_text(json.dumps(data, indent=1) + "\n")
        MARKS.write(PAGE, table(data))
    print(table(data))
    return 0


def _apart(model: str, which: str, frames: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.marginal", "--only", model, which, "--frames", str(frames)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(model: str, which: str, frames: int) -> dict[str, Any]:
    """Build the first vehicle, or the further ones, and return the figures of the last build."""
    calibrations = (FIRST,) if which == "first" else FURTHER
    found: dict[str, Any] = {}
    alone = 0.0
    keep()
    with temporary_folder("marginal") as folder:
        for calib in calibrations:
            began, used = time.perf_counter(), time.process_time()
            outcome = build(
                BuildRequest(
                    calib=calib, model=model, output=folder / calib.stem, record=which == "first",
                    proof="whole" if which == "first" else "sites", frames=frames,
                )
            )  # fmt: skip
            alone = alone or time.process_time()
            found = {
                "proof": outcome.manifest.verify.proof,
                "frames": outcome.manifest.verify.frames,
                "cpu_seconds": round(time.process_time() - used, 2),
                "alone_cpu_seconds": round(alone, 2),
                "seconds": round(time.perf_counter() - began, 2),
                "stages": {stage: round(seconds, 2) for stage, seconds in outcome.seconds.items()},
            }
    found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["recording_bytes"] = sum(
        int(entry.info["bytes"]) for entry in open_store().entries()
        if entry.kind == "recording" and f" {model} " in entry.title and entry.info["code"] == code_version()
    )  # fmt: skip
    return found


def of_fleet(model: str) -> dict[str, Any]:
    """Make the exact builds of a simulated fleet, and return what those take that are proven at their sites."""
    with temporary_folder("fleet") as folder:
        vehicles = folder / "fleet.parquet"
        write_fleet(vehicles, VEHICLES)
        request = FleetRequest.of(folder=vehicles, model=model, mode="exact", frames=1)
        lock = folder / "fleet.lock"
        write_lock(lock_of(plan_fleet(request, jobs=1)), lock)
        with executor_of(jobs=PROCESSES) as executor:
            made = build_fleet(lock, executor)
    if not made.ok:
        raise RuntimeError("a build of the fleet failed")
    seconds = [one.seconds for one in made.builds if one.proof == "sites"]
    return {
        "proof": "sites",
        "frames": 1,
        "processes": PROCESSES,
        "vehicles": len(seconds),
        "seconds": round(statistics.median(seconds) / PROCESSES, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def table(data: Mapping[str, Any]) -> str:
    """Return the figures as a table of Markdown."""
    rows = [
        "| model | vehicle | proof | by the clock | processor time | in a process of its own | of which the proof "
        "| most memory | recording |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for model, measured in data["models"].items():
        rows += [_row(model, which, one) for which, one in measured.items()]
    return "\n".join(rows)


def _row(model: str, which: str, one: Mapping[str, Any]) -> str:
    proof = f"{one['proof']}, {counted(one['frames'], 'frame')}"
    memory, digits = f"{one['peak_bytes'] / 1e9:.1f} GB", 2 if one["seconds"] < 2 else 0
    clock = f"{one['seconds']:,.{digits}f} s"
    if which == "fleet":
        of = f"of {one['vehicles']} in {one['processes']} processes"
        return f"| {model} | {of} | {proof} | {clock} | - | - | - | {memory} | - |"
    share = one["stages"].get("verify", 0.0) / max(one["seconds"], 1e-9)
    return (
        f"| {model} | {which} | {proof} | {clock} | {one['cpu_seconds']:,.1f} s | {one['alone_cpu_seconds']:,.1f} s "
        f"| {100 * share:.0f} % | {memory} | {one['recording_bytes'] / 1e6:,.0f} MB |"
    )


if __name__ == "__main__":
    sys.exit(main())
