"""What a further vehicle adds to the store: its own rows, never the weights; and what building it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from specialize.fleet.retention import TABLE_KIND
from specialize.store import Store
from tests.calibration import authored
from tests.cli.running import REPOSITORY, run_process
from tests.fleet.fleets import write_fleet
from tests.fleet.test_scale import RUN

MOST_MB = 12 * 2**30 / 1e6
# Bytes that a further vehicle may add, and how many vehicles there are to see it.
EXACT = {"bevformer_tiny": (200_000, 3), "bevformer_base": (3_000_000, 2)}
TABLES = 100_000

pytestmark = [pytest.mark.slow, pytest.mark.torch, pytest.mark.timeout(3600)]


def built(folder: Path, store: Path, model: str, mode: str, count: int) -> tuple[dict[str, object], float]:
    """Plan and build a fleet with one verification frame; return the JSON and the memory of the build in MB."""
    write_fleet(folder / "fleet", authored.CAR42, count)
    options = ("--model", model, "--mode", mode, "--frames", "1")
    planned = run_process("fleet", "plan", folder / "fleet", *options, SPECIALIZE_STORE=str(store))
    assert planned.code == 0, planned.err
    script = folder / "run.py"
    script.write_text(RUN)
    line = [sys.executable, str(script), "fleet", "build", str(folder / "fleet"), "--json"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SPECIALIZE_STORE": str(store)}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    _, code, memory = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return json.loads(done.stdout), float(memory)


@pytest.mark.parametrize("model", EXACT)
def test_exact_builds_share_their_weights(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are one object, a vehicle adds little, and the memory of a build is bounded."""
    most, count = EXACT[model]
    data, memory = built(tmp_path, tmp_path / "store", model, "exact", count)
    builds: list[dict[str, int]] = data["builds"]  # type: ignore[assignment]
    store = Store(tmp_path / "store")
    made = [entry.objects for entry in store.entries() if entry.kind == "build"]
    weights = {objects["weights.bin"] for objects in made}
    with capsys.disabled():
        each = ", ".join(f"{build['own_bytes'] / 1e3:.0f} KB in {build['seconds']:.0f} s" for build in builds)
        size = sum(map(store.size, weights)) / 1e6
        sys.stdout.write(f"\n{model}: {each}; weights {size:.0f} MB once; {memory / 1e3:.1f} GB of memory")
    assert len(made) == count and len(weights) == 1
    assert all(0 < build["own_bytes"] < most for build in builds)
    assert memory < MOST_MB


def test_tables_are_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One engine serves all vehicles; each adds its tables."""
    data, _ = built(tmp_path, tmp_path / "store", "bevformer_tiny", "tables", 3)
    store = Store(tmp_path / "store")
    tables = [entry.objects for entry in store.entries() if entry.kind == TABLE_KIND]
    sizes = [sum(map(store.size, objects.values())) for objects in tables]
    with capsys.disabled():
        sys.stdout.write(f"\ntables of bevformer_tiny: {', '.join(f'{size / 1e3:.0f} KB' for size in sizes)}")
    assert len(data["builds"]) == 1 and len(tables) == 3  # type: ignore[arg-type]
    assert all(0 < size < TABLES for size in sizes)
