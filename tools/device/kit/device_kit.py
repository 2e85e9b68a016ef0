"""Run the models of this folder on a device: check what they compute, time them in turn, and print a table.

This file and the scripts beside it need Python 3.8, numpy, and the runtime of the script; nothing else.
A script gives `main` a `Runtime`: what opens a model in a mode and returns a function from inputs to outputs.

Every model runs in a process of its own, one at a time. Rounds go through all models in turn, one at least, and
stop when the time is up: what slows the device for a moment slows all forms. A model whose outputs are not the
expected ones is timed too, and its line says so: a time of wrong numbers is no result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # spelled as Python 3.8 cannot
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    Array = npt.NDArray[np.generic]
    Row = dict[str, Any]
    Run = Callable[[], tuple[float, dict[str, Array]]]

HERE = Path(__file__).resolve().parent
SCHEMA = "specialize/device-results@1"
SECONDS = 330.0
"""Of measuring, so that all of it ends within six minutes."""
MOST_ROUNDS = 21
CLOSE = {"fp32": 1e-4, "tf32": 5e-3, "fp16": 5e-2}
"""Largest difference, as a share of the output's largest value, that counts as equal, by mode."""
PARTS = ("rows", "site", "model")
FORMS = ("original", "rebatched", "specialized")


class Runtime:
    """What a script knows about its runtime.

    Attributes:
        name: Runtime and device, for the table.
        modes: Modes it runs, in the order of the table: `fp32`, `tf32`, `fp16`.
        plugin: Whether it has TensorRT's plugin of deformable attention.
        fp16_models: Whether `fp16` takes the models in 16-bit floats; otherwise it takes those in 32.
        warmup: Runs after opening that are not timed.
        repeats: Timed runs of each turn, of which the median counts.
    """

    name = "a runtime"
    modes: tuple[str, ...] = ("fp32",)
    plugin = False
    fp16_models = True
    warmup = 3
    repeats = 5

    def version(self) -> str:
        """Return version of runtime and device, as text."""
        raise NotImplementedError

    def open(self, model: Path, feed: dict[str, Array], mode: str) -> Run:
        """Return a function without arguments that runs a model once and returns (seconds, outputs by name)."""
        raise NotImplementedError


def main(
    make: Callable[[argparse.Namespace], Runtime],
    add_arguments: Callable[[argparse.ArgumentParser], None],
) -> int:
    """Measure this folder with the runtime that `make` returns for the arguments; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the models of this folder on one runtime.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for measuring [%(default)s]")
    parser.add_argument("--results", type=Path, default=Path("results.json"), help="where figures go")
    parser.add_argument("--only", choices=PARTS, help="one part of the model, not all")
    parser.add_argument("--model", type=Path, help="an ONNX file to time instead; prints the ms of each run")
    parser.add_argument("--inputs", type=Path, help="with --model: an .npz file with its inputs")
    parser.add_argument("--outputs", type=Path, help="with --model: an .npz file to write its outputs to")
    parser.add_argument("--mode", choices=CLOSE, default="fp32", help="with --model [%(default)s]")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    add_arguments(parser)
    given = parser.parse_args()
    if (given.model is None) != (given.inputs is None):
        parser.error("--model and --inputs belong together")
    runtime = make(given)
    if given.model:
        return time_one(runtime, given)
    if given.case:
        return serve(runtime, json.loads(given.case))
    about = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    about["cases"] = [case for case in about["cases"] if given.only in (None, case["part"])]
    results = measure(about, runtime, sys.argv, given.seconds)
    given.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))
    print(f"\nwritten: {given.results}")
    return 0 if all(row.get("equal") for row in results["rows"]) else 4


def time_one(runtime: Runtime, given: argparse.Namespace) -> int:
    """Print the milliseconds of each run of a model, one number per line; return the exit code."""
    with np.load(given.inputs) as stored:
        run = runtime.open(given.model, {name: stored[name] for name in stored.files}, given.mode)
    for _ in range(runtime.warmup):
        run()
    outputs: dict[str, Array] = {}
    for _ in range(runtime.repeats):
        seconds, outputs = run()
        print(f"{1e3 * seconds:.6g}")
    if given.outputs:
        np.savez(given.outputs, **outputs)
    return 0


def wanted(about: Row, runtime: Runtime) -> list[Row]:
    """Return the models to run: (case, mode), the forms of one comparison side by side."""
    found = []
    for mode in runtime.modes:
        precision = "fp16" if mode == "fp16" and runtime.fp16_models else "fp32"
        for case in about["cases"]:
            if case["precision"] == precision and (runtime.plugin or not case["plugin"]):
                found.append({**case, "mode": mode})
    return sorted(
        found, key=lambda case: (PARTS.index(case["part"]), case["plugin"], FORMS.index(case["form"]))
    )


def measure(about: Row, runtime: Runtime, arguments: list[str], seconds: float) -> Row:
    """Open every model alone, then let them take turns; return all figures."""
    cases = wanted(about, runtime)
    rows: list[Row] = []
    for case in cases:
        row = {name: case[name] for name in ("part", "form", "mode", "plugin", "model")}
        rows.append({**row, "seconds": [], **first_look(case, arguments)})
    until = time.monotonic() + seconds
    for turn in range(MOST_ROUNDS):
        for place, case in enumerate(cases):
            row = rows[place]
            if row.get("failed") or (turn and time.monotonic() > until):
                continue
            with Worker(case, arguments) as worker:
                answer = worker.ask("run")
            row["seconds"] += [answer["seconds"]] if "seconds" in answer else []
    return {
        "schema": SCHEMA,
        "runtime": runtime.name,
        "version": runtime.version(),
        "machine": f"{platform.machine()} {platform.system()}",
        "build": about["build"],
        "model": about["model"],
        "vehicle": about["vehicle"],
        "rows": rows,
    }


def first_look(case: Row, arguments: list[str]) -> Row:
    """Return how far a model is from what is expected, and the memory and energy of its run; or why it does not run."""
    with Worker(case, arguments) as worker:
        return worker.ask("check")


class Worker:
    """A model in a process of its own: one line of JSON per answer."""

    def __init__(self, case: Row, arguments: list[str]) -> None:
        command = [sys.executable, *arguments, "--case", json.dumps(case)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str) -> Row:
        """Send a command; return the answer, or `failed` with the last line of the process."""
        out, errors = self.process.communicate(command + "\n")
        for line in reversed(out.splitlines()):
            if line.startswith("{"):
                answer: Row = json.loads(line)
                return answer
        lines = errors.strip().splitlines() or [f"exit status {self.process.returncode}"]
        return {"failed": lines[-1][:300]}


def serve(runtime: Runtime, case: Row) -> int:
    """Run one model in this process, as the line on the standard input says: `check` or `run`."""
    command = sys.stdin.readline().strip()
    with np.load(HERE / case["feed"]) as stored:
        feed = {name: stored[name] for name in stored.files}
    run = runtime.open(HERE / case["model"], feed, case["mode"])
    for _ in range(runtime.warmup):
        run()
    if command == "run":
        print(
            json.dumps({"seconds": statistics.median(run()[0] for _ in range(runtime.repeats))}), flush=True
        )
        return 0
    with Energy() as energy:
        outputs: dict[str, Array] = {}
        for _ in range(runtime.repeats):
            _, outputs = run()
    apart = difference(case, outputs)
    answer = {"difference": apart, "equal": apart <= CLOSE[case["mode"]], "memory_bytes": memory_bytes()}
    if energy.joules is not None:
        answer["joules_per_run"] = energy.joules / runtime.repeats
    print(json.dumps(answer), flush=True)
    return 0


def difference(case: Row, outputs: dict[str, Array]) -> float:
    """Return the largest difference of any output, as a share of the largest expected value."""
    worst = 0.0
    with np.load(HERE / case["expected"]) as expected:
        for name in expected.files:
            wanted_, found = expected[name].astype(np.float64), np.asarray(outputs[name], np.float64)
            if found.shape != wanted_.shape or not np.isfinite(found).all():
                return float("inf")
            scale = max(float(np.abs(wanted_).max(initial=0.0)), 1e-30)
            worst = max(worst, float(np.abs(found - wanted_).max(initial=0.0)) / scale)
    return worst


def memory_bytes() -> int | None:
    """Return the memory of this process: on an NVIDIA device what the driver says, the peak in RAM otherwise."""
    asked = nvidia_smi("--query-compute-apps=pid,used_memory")
    for line in asked or []:
        pid, _, used = line.partition(",")
        if pid.strip() == str(os.getpid()) and used.strip().split()[0].isdigit():
            return int(used.strip().split()[0]) * 2**20
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def nvidia_smi(query: str) -> list[str] | None:
    """Return the lines of a query to the driver's tool, or None where there is none."""
    try:
        command = ["nvidia-smi", query, "--format=csv,noheader"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().splitlines() if done.returncode == 0 else None


class Energy:
    """Joules between entering and leaving, from the driver's counter or the processor's; None where neither tells."""

    def __enter__(self) -> Energy:
        self.joules: float | None = None
        self.before = self.now()
        return self

    def __exit__(self, *_: object) -> None:
        after = self.now()
        if self.before is not None and after is not None and after >= self.before:
            self.joules = after - self.before

    @staticmethod
    def now() -> float | None:
        """Return joules since some moment."""
        try:
            import pynvml

            pynvml.nvmlInit()
            return (
                float(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0))) / 1e3
            )
        except Exception:  # no such package, driver or counter
            pass
        try:
            return int(Path("/sys/class/powercap/intel-rapl:0/energy_uj").read_text()) / 1e6
        except (OSError, ValueError):
            return None


def table(results: Row) -> str:
    """Return the figures as text of at most 80 columns: one line per model, ratios to the original form."""
    lines = [
        f"{results['model']} for {results['vehicle']} on {results['runtime']} ({results['version']})",
        "",
    ]
    lines.append(f"{'part':6}{'mode':6}{'form':20}{'ms':>9}{'faster':>9}{'MiB':>8}{'J':>8}  equal")
    base: dict[tuple[str, str], float] = {}
    for row in results["rows"]:
        form = row["form"] + (", plugin" if row["plugin"] else "")
        start = f"{row['part']:6}{row['mode']:6}{form:20}"
        if row.get("failed") or not row["seconds"]:
            lines.append(f"{start}  {row.get('failed', 'no time left')}"[:80])
            continue
        median = statistics.median(row["seconds"])
        key = (row["part"], row["mode"])
        if row["form"] == "original" and not row["plugin"]:
            base[key] = median
        faster = f"{base[key] / median:.2f}x" if key in base else "-"
        memory = f"{row['memory_bytes'] / 2**20:.0f}" if row.get("memory_bytes") else "-"
        joules = f"{row['joules_per_run']:.2f}" if "joules_per_run" in row else "-"
        equal = "yes" if row["equal"] else f"NO: {row['difference']:.1e}"
        lines.append(f"{start}{1e3 * median:9.2f}{faster:>9}{memory:>8}{joules:>8}  {equal}")
    return "\n".join(lines)
