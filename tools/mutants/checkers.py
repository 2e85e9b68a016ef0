"""Run, for every mutant of a check, the test that must fail with it and pass without it.

usage: python tools/mutants/checkers.py [NAME ...]

As a pytest plugin (`-p tools.mutants.checkers`) it installs the mutant that the variable MUTANT names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from tools.mutants.catalogue import Mutant, install, read_catalogue  # noqa: E402

if os.environ.get("MUTANT"):
    (_chosen,) = (one for one in read_catalogue() if one.name == os.environ["MUTANT"])
    install(_chosen)


def main(names: Sequence[str]) -> int:
    """Run the tests; return 1 if one does not notice its mutant, or fails without it."""
    failed = 0
    for mutant in read_catalogue():
        if not mutant.killed_by or (names and mutant.name not in names):
            continue
        alone, changed = _passes(mutant, "tests pass"), _passes(mutant, mutant.name)
        told = "killed" if alone and not changed else "SURVIVED" if changed else "test fails without it"
        print(f"{mutant.name}: {told} ({mutant.killed_by})", flush=True)
        failed += told != "killed"
    return int(failed > 0)


def _passes(mutant: Mutant, name: str) -> bool:
    """Return whether the test of a mutant passes with the mutant of that name, or with none."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "MUTANT": name if name == mutant.name else ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "tools.mutants.checkers",
        "-p",
        "no:cacheprovider",
    ]
    ran = subprocess.run([*command, mutant.killed_by], cwd=ROOT, env=given, capture_output=True, check=False)
    if ran.returncode not in (0, 1):
        raise RuntimeError(
            f"{mutant.name}: pytest ended with {ran.returncode}\n{ran.stdout.decode()[-2000:]}"
        )
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
