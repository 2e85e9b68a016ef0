"""Ten thousand vehicles on the base grid: minutes, growth in proportion, memory flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calibration import authored
from tests.cli.running import REPOSITORY
from tests.fleet.fleets import write_fleet
from tests.fleet.test_importing import write_sources

MODEL = "bevformer_base"
SIZES = (100, 1_000, 10_000)
MINUTES = 10
FLAT_MB = 200

RUN = """
import json, resource, sys
from specialize.cli.app import run
if __name__ == "__main__":  # processes that this one starts import this file
    code = run(sys.argv[1:])
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("MB", code, most / 1e3, file=sys.stderr)
"""

COMMANDS = {
    "import": ("import", "lidar2img", "-O", "size=1600x900"),
    "diff": ("diff", "--model", MODEL),
    "tables": ("plan", "--model", MODEL, "--mode", "tables"),
    "envelope": ("plan", "--model", MODEL, "--mode", "envelope"),
}


def command_line(name: str, folder: Path, count: int) -> list[str]:
    """Write a fleet, or what is imported as one, and return the arguments of the command."""
    command = COMMANDS[name]
    if name == "import":
        sources = [str(path) for path in write_sources(folder / "in", count)]
        return ["fleet", *command[:2], *sources, *command[2:], "-o", str(folder / "out"), "--json"]
    write_fleet(folder, authored.CAR42, count)
    return ["fleet", command[0], str(folder), *command[1:], "--json"]


def measured(script: Path, arguments: list[str], count: int) -> tuple[float, float]:
    """Return the seconds that a command says it took, and the most memory of a process of it in MB."""
    line = [sys.executable, str(script), *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    _, code, memory = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    data = json.loads(done.stdout)
    assert data["vehicles"] == count or len(data["vehicles"]) == count
    return float(data["seconds"]), float(memory)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", list(COMMANDS))
def test_ten_thousand_vehicles_take_minutes(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Time grows in proportion to vehicles, memory does not grow, and 10,000 vehicles take minutes."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    figures = {}
    for count in SIZES:
        arguments = command_line(name, tmp_path / str(count), count)
        figures[count] = measured(script, arguments, count)
        with capsys.disabled():
            seconds, memory = figures[count]
            each = 1e3 * seconds / count
            sys.stdout.write(f"\n{name} of {count}: {seconds:.1f} s, {each:.1f} ms each, {memory:.0f} MB")
    small, large = figures[SIZES[0]], figures[SIZES[-1]]
    assert large[0] < 60 * MINUTES
    assert large[0] / SIZES[-1] < 3 * max(small[0] / SIZES[0], figures[SIZES[1]][0] / SIZES[1])
    assert large[1] < small[1] + FLAT_MB
