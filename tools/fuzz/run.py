"""Fuzz the readers: `python -m tools.fuzz.run --seconds 3600 [READER ...]`, or `make fuzz`.

Each reader runs in a process of its own, with little memory and small budgets, so that a crash of a library, a run
without end and a full memory are findings like any other exception. A finding is a file in `--out`, named after
what it raises, with the traceback beside it. With `atheris` installed (`--engine atheris`) changes are guided by
coverage; else they are chosen by chance.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from tools.fuzz.mutate import mutated


def _counting() -> contextlib.AbstractContextManager[object]:
    """Return what counts the branches of this package that are imported in it, where changes are guided by them."""
    if "--child" not in sys.argv or "atheris" not in sys.argv:
        return contextlib.nullcontext()
    import atheris

    return atheris.instrument_imports(include=["specialize"])  # type: ignore[no-any-return]


with _counting():
    from tools.fuzz.readers import READERS, corpus, refused

MEMORY_BYTES = 6 << 30
MOST_SECONDS = 20.0
"""Processor time of one file after which its run ends and counts as a finding."""
KEPT = 2000
"""Files with new outcomes that are changed further."""


def main() -> int:
    """Fuzz the readers that were asked for, one after the other; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", default=sorted(READERS), metavar="READER")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("mutate", "atheris"), default="mutate")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        work = given.out / given.readers[0]
        (_guided if given.engine == "atheris" else _by_chance)(
            given.readers[0], given.seconds, given.seed, work
        )
        return 0
    found = 0
    for name in given.readers:
        work = given.out / name
        work.mkdir(parents=True, exist_ok=True)
        _supervise(name, given.seconds, given.seed, given.engine, given.out)
        tried = sum(int(path.read_text()) for path in work.glob("tried-*"))
        findings = sorted(work.glob("finding-*.txt"))
        found += len(findings)
        print(f"{name}: {tried:,} files in {given.seconds:.0f} s, {len(findings)} findings", flush=True)
        for path in findings:
            print(f"  {path}", flush=True)
    return 1 if found else 0


def _supervise(name: str, seconds: float, seed: int, engine: str, out: Path) -> None:
    """Run children until the time is over; one that dies leaves its file as a finding."""
    work, end = out / name, time.monotonic() + seconds
    turn = 0
    while (left := end - time.monotonic()) > 1:
        command = [
            sys.executable,
            "-m",
            "tools.fuzz.run",
            name,
            "--child",
            "--out",
            str(out),
            "--engine",
            engine,
        ]
        command += ["--seconds", str(left), "--seed", str(seed + 1000 * turn)]
        with (work / f"log-{turn}").open("wb") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if code:
            why = "slow" if code == -signal.SIGPROF else f"died-{abs(code)}"
            kept = work / f"finding-{why}-{turn}"
            if (work / "current").exists():
                shutil.copyfile(work / "current", kept)
            kept.with_name(f"{kept.name}.txt").write_text(f"{why}, see log-{turn}\n")
        turn += 1


def _limited() -> None:
    """Let this process have little memory, and folding small budgets."""
    from specialize.graph import budget

    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    budget.SECONDS, budget.MEMORY_BYTES = 5.0, 1 << 30
    budget.VALUE_BYTES, budget.HELD_BYTES, budget.WORK_BYTES = 1 << 24, 1 << 27, 1 << 30
    budget.PRODUCTS, budget.INLINED_NODES = 1 << 30, 20_000


class _Tries:
    """Runs one reader on files, keeps what is found, and counts."""

    def __init__(self, name: str, seed: int, work: Path) -> None:
        self.reader = READERS[name]
        self.tried = 0
        self._work = work
        self._count = work / f"tried-{seed}-{time.time_ns()}"
        self._outcomes: set[str] = set()

    def run(self, data: bytes) -> bool:
        """Run one file; return whether its outcome is new."""
        (self._work / "current").write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)  # its signal ends the process, wherever it is
        self.tried += 1
        if self.tried % 50 == 0:
            self._count.write_text(str(self.tried))
        with _folder() as folder:
            try:
                said = refused(self.reader, data, folder)
            except Exception as error:
                self._keep(data, error)
                return False
        outcome = "".join(c for c in said if not c.isdigit())[:60]
        new = outcome not in self._outcomes
        self._outcomes.add(outcome)
        return new

    def close(self) -> None:
        """Write how many files were tried."""
        self._count.write_text(str(self.tried))

    def _keep(self, data: bytes, error: Exception) -> None:
        own = [
            frame for frame in traceback.extract_tb(error.__traceback__) if "/specialize/" in frame.filename
        ]
        place = f"{Path(own[-1].filename).stem}-{own[-1].name}" if own else "elsewhere"
        path = self._work / f"finding-{type(error).__name__}-{place}"
        if not path.exists():
            path.write_bytes(data)
            path.with_name(f"{path.name}.txt").write_text("".join(traceback.format_exception(error)))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        yield Path(folder)


def _by_chance(name: str, seconds: float, seed: int, work: Path) -> None:
    """Change files by chance; go on from those whose outcome was new."""
    _limited()
    dice, tries, end = random.Random(seed), _Tries(name, seed, work), time.monotonic() + seconds
    files = corpus(name)
    whole = len(files)
    for data in files:
        tries.run(data)
    while time.monotonic() < end:
        start = dice.choice(files if dice.random() < 0.3 else files[:whole])
        data = mutated(start, tries.reader.kind, files, dice)
        if tries.run(data) and len(files) < KEPT:
            files.append(data)
    tries.close()


def _guided(name: str, seconds: float, seed: int, work: Path) -> None:
    """Let libFuzzer choose, by the branches that are taken in the package."""
    import atheris

    _limited()
    tries, files = _Tries(name, seed, work), corpus(name)
    seeds = work / "seeds"
    seeds.mkdir(exist_ok=True)
    for index, data in enumerate(files):
        (seeds / str(index)).write_bytes(data)

    def change(data: bytes, most: int, choice: int) -> bytes:
        dice = random.Random(choice)
        made = (
            mutated(data, tries.reader.kind, files, dice)
            if dice.random() < 0.7
            else atheris.Mutate(data, most)
        )
        return bytes(made[:most])

    def run(data: bytes) -> None:
        tries.run(data)

    arguments = [f"-max_total_time={int(seconds)}", "-rss_limit_mb=0", "-max_len=65536", f"-seed={seed + 1}"]
    atheris.Setup([sys.argv[0], *arguments, str(seeds)], run, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
