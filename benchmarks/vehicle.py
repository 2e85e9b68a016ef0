"""Measure guard and relink for a build with tables: least time here, and instructions, which do not depend on load.

usage: python benchmarks/vehicle.py --build DIR [--rounds N] [--results FOLDER]

Instructions are those of the whole program `guard`, reading and writing files included, as valgrind counts them; null
where valgrind is not installed. Without such a build nothing is measured, and that is said.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import CAR42, CAR43, RESULTS, machine  # noqa: E402  the checkout
from specialize.calibration.load import load_profile  # noqa: E402  the checkout, not an installed package
from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout, not an installed package
from specialize.vehicle.export import export_build  # noqa: E402  the checkout, not an installed package
from specialize.vehicle.packing import pack  # noqa: E402  the checkout, not an installed package
from specialize.vehicle.toolchain import FLAGS, build_tool, compiler, include_dir  # noqa: E402  the checkout

SCHEMA = "specialize/vehicle-benchmarks@1"


def instructions(command: list[str]) -> int | None:
    """Return the instructions that a program executes; None without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    words = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    return int(found[1]) if found else None


def measure(build: Path, room: Path, rounds: int) -> dict[str, object]:
    """Return the figures of a build: for its own calibration, and for another one."""
    car, tool, timer = room / "car", room / "guard", room / "timer"
    export_build(build, car)
    build_tool(tool)
    source = str(ROOT / "benchmarks" / "vehicle.cpp")
    subprocess.run([compiler(), *FLAGS, "-I", str(include_dir()), source, "-o", str(timer)], check=True)
    figures: dict[str, object] = {}
    for name, calib in (("own", CAR42), ("other", CAR43)):
        today, contract = room / f"{name}.bin", str(car / "contract.bin")
        today.write_bytes(pack(load_profile(calib)).to_bytes())
        ran = subprocess.run(
            [timer, contract, today, str(rounds)], capture_output=True, text=True, check=True
        )
        figure: dict[str, object] = {
            key: float(value) for key, value in map(str.split, ran.stdout.splitlines())
        }
        figure["check_instructions"] = instructions([str(tool), "check", contract, str(today)])
        output = ["-o", str(room / "table")]
        figure["relink_instructions"] = instructions([str(tool), "relink", contract, str(today), *output])
        figures[name] = figure
    return figures


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True, help="build in mode tables, for car42")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if not (given.build / "manifest.json").is_file():
        print(
            f"vehicle: {given.build} is no build; make one with `specialize build --mode tables -o {given.build}`"
        )
        return
    with temporary_folder("vehicle") as room:
        figures = measure(given.build, room, given.rounds)
    data = {"schema": SCHEMA, "machine": machine(), "flags": list(FLAGS)}
    model = json.loads((given.build / "manifest.json").read_text())["model"]
    path = given.results / f"vehicle_{model}.json"
    path.write_text(json.dumps({**data, "model": model, "figures": figures}, indent=2) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
