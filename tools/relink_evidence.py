"""Make the tables of thousands of random vehicles on both executors, for a built-in model, and time the one in C++.

usage: python tools/relink_evidence.py MODEL [--layout ragged|padded] [--count N] [--rounds N] [--results FOLDER]
           [--kept FOLDER] [--program FILE]

The engine is compiled but not proven: `specialize build` does that, and FILE is the `relink.bin` of such a build, or
one that an earlier run left beside its batches. What is compared are the bytes of every table, or the rows that a
camera has too many. With --kept a run that was interrupted goes on where it stood, and a larger N adds to it.
Figures go to `relink.json`, beside those of other models. Times are the least processor time of `rounds`, for two sets
of flags in turn; instructions are those of checking and relinking once, as valgrind counts them (null without it). The
exit code is 1 if the executors differ, or if there is no program.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import CAR42, RESULTS, machine  # noqa: E402  the checkout
from benchmarks.vehicle import instructions  # noqa: E402  the checkout
from specialize.binding.relink.program import Program, parse_program  # noqa: E402  the checkout
from specialize.binding.shared_engine import Tabulated, tabulate  # noqa: E402  the checkout
from specialize.calibration.load import load_profile  # noqa: E402  the checkout
from specialize.compiler.generic import PREPARED, generic_model  # noqa: E402  the checkout
from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout
from specialize.model.visible import visible_sets  # noqa: E402  the checkout
from specialize.request import LAYOUTS, BuildRequest  # noqa: E402  the checkout
from specialize.store import open_store  # noqa: E402  the checkout
from specialize.vehicle.packing import pack  # noqa: E402  the checkout
from specialize.vehicle.toolchain import FLAGS, compiler, include_dir  # noqa: E402  the checkout
from tests.vehicle import linking  # noqa: E402  the checkout
from tools.relink_batches import compare  # noqa: E402  the checkout

SCHEMA = "specialize/relink-evidence@1"
OPTIMISED = ("-O2", "-O3")


def engine_of(model: str, layout: str) -> Tabulated:
    """Return an engine with tables for car42."""
    request = BuildRequest(calib=Path(CAR42), model=model, mode="tables", layout=layout)  # type: ignore[arg-type]
    store, profile = open_store(), load_profile(Path(CAR42))
    generic = generic_model(request, store, lambda line: print(line, file=sys.stderr))
    with generic.unpacked(store) as parts:
        plans = visible_sets(generic.spec, profile)
        return tabulate(request, profile, generic.spec, parts / PREPARED, plans)


def program_of(model: str, layout: str, path: Path | None) -> Program | str:
    """Return the program of a file, or of an engine that is compiled; why there is none otherwise."""
    if path is not None:
        return parse_program(path.read_bytes())
    maker = engine_of(model, layout).maker
    return maker.link or str(maker.declined)


def measure(program: Program, room: Path, rounds: int) -> dict[str, Any]:
    """Return least microseconds by flag, in turn, and instructions."""
    contract, today = room / "contract.bin", room / "today.bin"
    contract.write_bytes(linking.contract_for(program).to_bytes())
    today.write_bytes(pack(load_profile(Path(CAR42))).to_bytes())
    figures: dict[str, Any] = {}
    for flag in OPTIMISED:
        flags = [each for each in FLAGS if not each.startswith("-O")] + [flag]
        source = str(ROOT / "benchmarks" / "vehicle.cpp")
        command = [compiler(), *flags, "-I", str(include_dir()), source, "-o", str(room / f"timer{flag}")]
        subprocess.run(command, check=True)
        counted = [
            instructions([str(room / f"timer{flag}"), str(contract), str(today), turns]) for turns in "01"
        ]
        figures[flag] = {
            "relink_us": [],
            "instructions": counted[1] - counted[0] if counted[0] and counted[1] else None,
        }
    for _ in range(rounds):
        for flag in OPTIMISED:
            words = [room / f"timer{flag}", contract, today, "5"]
            said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            figures[flag]["relink_us"].append(dict(map(str.split, said.splitlines()))["relink_us"])
    return {
        flag: {"relink_us": min(map(float, figure["relink_us"])), "instructions": figure["instructions"]}
        for flag, figure in figures.items()
    }


def write(folder: Path, model: str, layout: str, figure: dict[str, Any]) -> Path:
    """Add the figures of one model to the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "relink.json"
    kept = json.loads(path.read_text())["models"] if path.is_file() else {}
    kept.setdefault(model, {})[layout] = {"machine": machine(), **figure}
    ordered = {name: dict(sorted(kept[name].items())) for name in sorted(kept)}
    path.write_text(json.dumps({"schema": SCHEMA, "flags": list(FLAGS), "models": ordered}, indent=1) + "\n")
    return path


def main() -> int:
    """Compare, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--layout", choices=LAYOUTS, default="ragged")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--kept", type=Path, help="folder in which finished batches are kept")
    parser.add_argument(
        "--program", type=Path, help="relink.bin of a build, in the place of compiling the model"
    )
    given = parser.parse_args()
    program = program_of(given.model, given.layout, given.program)
    if isinstance(program, str):
        figure: dict[str, Any] = {"declined": program}
    else:
        kept = given.kept and given.kept / f"{given.model}-{given.layout}.json"
        if given.kept:
            given.kept.mkdir(parents=True, exist_ok=True)
            kept.with_suffix(".bin").write_bytes(program.to_bytes())
        with temporary_folder("relink") as room:
            figure = {
                "program_bytes": len(program.to_bytes()),
                "arena_bytes": program.arena,
                "instructions": len(program.instructions),
                **compare(program, room, given.count, kept),
                "flags": measure(program, room, given.rounds),
            }
    print(write(given.results, given.model, given.layout, figure), json.dumps(figure))
    return int(isinstance(program, str))


if __name__ == "__main__":
    sys.exit(main())
