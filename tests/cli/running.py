"""Run the command line as a user does: in a process of its own, or in this one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from specialize.cli import progress
from specialize.cli.app import run
from specialize.cli.results import RESULTS, found_at
from specialize.text.record import from_json, schema_of

REPOSITORY = Path(__file__).resolve().parents[2]
CAR42 = REPOSITORY / "calib_profiles" / "car42.yaml"
CAR43 = REPOSITORY / "calib_profiles" / "car43.yaml"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run a command in this process; what it prints is the same on a machine of any speed."""
    with patch.object(progress, "SHOWN_FROM_S", math.inf):
        code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    if "--json" in arguments:
        require_declared(captured.out)
    return Ran(code, captured.out, captured.err)


_PROBE = """
import json, sys
from specialize.cli.app import run
code = run(sys.argv[1:])
print("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


def modules_of(*arguments: str | Path) -> set[str]:
    """Return the modules that a command imports in a process of its own, by full name."""
    command = [sys.executable, "-c", _PROBE, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    probed = json.loads(done.stdout.splitlines()[-1])
    assert probed["code"] == 0, done.stderr
    return set(probed["modules"])


def run_process(
    *arguments: str | Path, cwd: Path = REPOSITORY, timeout_s: float = 120.0, **environment: str
) -> Ran:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "specialize", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100", **environment}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout_s
    )
    if "--json" in arguments:
        require_declared(done.stdout)
    return Ran(done.returncode, done.stdout, done.stderr)


def require_declared(text: str) -> None:
    """Assert that a JSON output, if there is one, is exactly as its record in `specialize.cli.results` says."""
    if not text.startswith("{"):
        return
    data = json.loads(text)
    name = data["schema"].removeprefix("specialize/").partition("@")[0]
    name = f"inspect-{data['kind']}" if name == "inspect" else name
    assert name in RESULTS, f"{data['schema']}: expected a record of it, listed in specialize/cli/results.py"
    record = found_at(RESULTS[name].record)
    own = (
        "schema" in msgspec.json.schema(record, schema_hook=schema_of)["$defs"][record.__name__]["properties"]
    )
    try:
        from_json(data if own else {key: value for key, value in data.items() if key != "schema"}, record)
    except msgspec.ValidationError as error:
        raise AssertionError(
            f"{data['schema']}: not as declared by {RESULTS[name].record}: {error}"
        ) from error
