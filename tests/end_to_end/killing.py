"""Kill a command at random moments, look at what it left, run it again, and compare with an undisturbed run.

`python -m tests.end_to_end.killing --rounds 100` does so for longer than a test may take.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from specialize.artifact import Build
from specialize.digest import digest_bytes
from specialize.fleet.lock import read_lock
from specialize.store import Store
from specialize.store.check import check_store
from tests.calibration import authored
from tests.cli.running import REPOSITORY
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_fleet

Contents = dict[str, bytes]


@dataclass(frozen=True)
class Step:
    """A command, what it leaves, and what must be true of that at every moment.

    Attributes:
        name: What it is called.
        arguments: Its command line, run in the folder of the case.
        output: What it writes, below that folder; what begins like this belongs to it.
        whole: Raises if something below a folder is half written.
    """

    name: str
    arguments: tuple[str, ...]
    output: str
    whole: Callable[[Path], None]


def packed_whole(home: Path) -> None:
    """Require a table that can be read to its end, if there is one."""
    from specialize.calibration.table import read_digests

    if (home / "fleet.parquet").exists():
        assert not read_digests(home / "fleet.parquet").unreadable


def planned_whole(home: Path) -> None:
    """Require a lock whose vehicles are there, if there is a lock."""
    if (home / "fleet.lock").exists():
        assert read_lock(home / "fleet.lock").vehicles


def built_whole(home: Path) -> None:
    """Require a store without damage, and folders of builds that are whole."""
    assert check_store(Store(home / "store")).ok
    for folder in (home / "out").glob("[!.]*/"):
        Build.intact(folder)


def exported_whole(home: Path) -> None:
    """Require a layout without a missing or damaged blob, if there is one."""
    layout = home / "layout"
    if not layout.exists():
        return
    todo = json.loads((layout / "index.json").read_bytes())["manifests"]
    while todo:
        name = (each := todo.pop())["digest"]
        data = (layout / "blobs" / "sha256" / name[7:]).read_bytes()
        assert digest_bytes(data) == name
        if "manifest" in each["mediaType"]:
            todo += json.loads(data)["layers"]


STEPS = (
    Step(
        "pack", ("fleet", "pack", "cars", "-o", "fleet.parquet", "--jobs", "1"), "fleet.parquet", packed_whole
    ),
    Step(
        "plan",
        ("fleet", "plan", "fleet.parquet", "--model", "model/tiny.onnx", "--mode", "exact", "--jobs", "1"),
        "fleet.lock",
        planned_whole,
    ),
    Step("build", ("fleet", "build", "fleet.parquet", "-o", "out"), "out", built_whole),
    Step("export", ("store", "export", "--oci", "layout"), "layout", exported_whole),
)


def prepared(home: Path, vehicles: int = 3) -> Path:
    """Write a model and a fleet, and return their folder."""
    write_tiny(home / "model")
    write_fleet(home / "cars", authored.CAR42, vehicles)
    return home


def run(step: Step, home: Path, kill_after_s: float | None = None) -> float:
    """Run a command to its end, or kill it and all its processes; return how long it ran, in seconds.

    Raises:
        AssertionError: It failed by itself.
    """
    line = [sys.executable, "-m", "specialize", *step.arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPECIALIZE_STORE": str(home / "store")}
    start = time.monotonic()
    with subprocess.Popen(
        line, cwd=home, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, errors = process.communicate(timeout=kill_after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return time.monotonic() - start
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - start


def contents(step: Step, home: Path) -> Contents:
    """Return what lies at and beside the output of a command, by path."""
    found = (path for path in home.rglob("*") if path.is_file())
    names = {path.relative_to(home).as_posix(): path for path in found}
    return {
        name: path.read_bytes() for name, path in names.items() if name.lstrip(".").startswith(step.output)
    }


def disturbed(home: Path, clean: Path, rounds: int, seed: int) -> list[str]:
    """Carry out every command, killed `rounds` times before; return a line on each.

    Args:
        home: Folder of the disturbed case, `prepared`.
        clean: Folder of the same case, in which nothing is killed.
        rounds: Kills of each command.
        seed: Of the moments.

    Raises:
        AssertionError: Something is half written, or the bytes are not those of the undisturbed run.
    """
    moments, told = random.Random(seed), []
    for step in STEPS:
        longest = run(step, clean)
        killed = 0
        for _ in range(rounds):
            after = moments.uniform(0.2, 1.0) * longest
            killed += run(step, home, after) >= after
            step.whole(home)
        run(step, home)
        step.whole(home)
        wanted, found = contents(step, clean), contents(step, home)
        assert found == wanted, f"{step.name}: {sorted(set(found) ^ set(wanted)) or 'other bytes'}"
        told.append(f"{step.name}: {killed} of {rounds} runs killed, {len(found)} files the same")
    return told


def main() -> None:
    """Kill commands as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        homes = [prepared(Path(folder) / name) for name in ("home", "clean")]
        print("\n".join(disturbed(homes[0], homes[1], asked.rounds, asked.seed)))  # noqa: T201  a script for people


if __name__ == "__main__":
    main()
