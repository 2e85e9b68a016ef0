"""Compare the processor time of quick commands between a commit and this tree, measured now and in turn.

usage: python benchmarks/compare.py BASE [--rounds N] [--only NAME ...]

Stored figures of two commits may be of two machines, or of two hours of one. Here each round runs every command once
with the code of the commit and once with that of this tree, one right after the other, so that what slows the machine
slows both. The ratio is the median over the rounds; its quartiles say how far to trust it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import CASES, FAILING, make_build, processor_seconds  # noqa: E402  the checkout, not an installed package
from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout, not an installed package

ROUNDS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A command with both trees: median seconds of each, and the quartiles of now / before over the rounds."""

    before_s: float
    now_s: float
    ratio: float
    low: float
    high: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a commit: a name that git knows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    given = parser.parse_args(arguments)
    with temporary_folder("compare") as folder:
        before = checked_out(given.base, folder / "base")
        room = make_build(folder / "car42")
        print(f"{'':18}{given.base[:10]:>10}{'now':>10}{'ratio':>8}  quartiles")
        for name in given.only:
            found = compare(name, before, room, given.rounds)
            print(f"{name:18}{line(found)}")
    return 0


def line(found: Compared | None) -> str:
    """Return the figures of a command as text; a command that the commit does not have has none."""
    if found is None:
        return "  not there, or it ends otherwise"
    return (
        f"{1e3 * found.before_s:7.0f} ms{1e3 * found.now_s:7.0f} ms{found.ratio:8.2f}"
        f"  {found.low:.2f} to {found.high:.2f}"
    )


def compare(name: str, before: Path, room: Path, rounds: int) -> Compared | None:
    """Return a command's figures with both trees; None if it does not end with the expected code in one of them."""
    command, code = CASES[name](room), FAILING.get(name, 0)
    seconds: dict[Path, list[float]] = {before: [], ROOT: []}
    for number in range(rounds + 1):
        for tree in (before, ROOT) if number % 2 else (ROOT, before):
            taken, ended = processor_seconds(command, tree)
            if ended != code:
                return None
            if number:  # the first round finds files on the disk, and is not counted
                seconds[tree].append(taken)
    ratios = [now / then for then, now in zip(seconds[before], seconds[ROOT], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    return Compared(
        before_s=statistics.median(seconds[before]),
        now_s=statistics.median(seconds[ROOT]),
        ratio=middle,
        low=low,
        high=high,
    )


def checked_out(revision: str, folder: Path) -> Path:
    """Write the files of a commit into a folder, and return it; the checkout itself stays as it is."""
    done = subprocess.run(
        ["git", "archive", "--format=tar", revision], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{revision}: expected a commit, found none: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


if __name__ == "__main__":
    sys.exit(main())
