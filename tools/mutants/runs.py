"""Processes of a campaign: one per mutant, forked from one that has loaded the unmutated compiler and run nothing.

A child forgets the changed module and all that import it, directly or not, and loads them anew. Which functions each
seed calls is recorded with the unmutated compiler: a seed that never calls the changed function cannot tell, and is
left out.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from tools.mutants import judge
from tools.mutants.catalogue import PACKAGE, ROOT, Mutant, install
from tools.mutants.outcome import Outcome, Try

SECONDS = 1800
"""After that a mutant counts as killed: a build that does not end leaves nothing behind."""

Call = tuple[str, str, int]
"""A function that was called: file below the package, name, first line."""

Calls = Mapping[str, frozenset[Call]]


def preload() -> dict[str, set[str]]:
    """Load the compiler; return by module of the package which modules of it import it, directly or not."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "zoo" not in path.parts and "cli" not in path.parts and path.name != "__main__.py":
            importlib.import_module(_dotted(path))
    gc.collect()
    gc.freeze()  # so that no child walks through what it has in common with the others
    return _importers()


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _importers() -> dict[str, set[str]]:
    direct: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            for name in names:
                direct.setdefault(name, set()).add(_dotted(path))
    found = {}
    for name in direct:
        reached, stack = {name}, [name]
        while stack:
            fresh = direct.get(stack.pop(), set()) - reached
            reached |= fresh
            stack += fresh
        found[name] = reached
    return found


def forget(names: set[str]) -> None:
    """Let this process load some modules anew, whoever asks for them."""
    for name in names - {"specialize"}:
        if sys.modules.pop(name, None) is not None:
            parent, _, child = name.rpartition(".")
            with contextlib.suppress(AttributeError, KeyError):
                delattr(sys.modules[parent], child)


def changed_call(mutant: Mutant) -> Call | None:
    """Return the function that a mutant changes; None if what it changes runs when the module is loaded."""
    text = mutant.path.read_text()
    line = text[: text.index(mutant.old)].count("\n") + 1
    line += len(mutant.old) - len(mutant.old.lstrip("\n"))
    found = None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and node.lineno <= line <= (node.end_lineno or 0):
            named = isinstance(node, ast.FunctionDef)
            first = min([node.lineno, *(one.lineno for one in (node.decorator_list if named else ()))])
            call = (mutant.file, node.name if named else "<lambda>", first)
            found = call if found is None or first > found[2] else found
    return found


def seeds_for(mutant: Mutant, seeds: Sequence[judge.Seed], calls: Calls) -> list[judge.Seed]:
    """Return the seeds that call what a mutant changes, those that are meant for its area first."""
    call = changed_call(mutant)
    exercised = [seed for seed in seeds if call is None or call in calls[seed.name]]
    return sorted(exercised, key=lambda seed: (mutant.area not in seed.areas, seed.mode != "exact"))


def run_control(seeds: Sequence[judge.Seed], work: Path) -> tuple[Outcome, dict[str, frozenset[Call]]]:
    """Build every seed without a mutant, and record what it calls."""
    home = _home(work, "control")
    child = os.fork()
    if child == 0:
        isolated(home, lambda: _control(seeds, home))
    _, status = os.waitpid(child, 0)
    outcome = _read(None, home, status, late=False)
    data = json.loads((home / "calls.json").read_text())
    return outcome, {name: frozenset((f, n, int(line)) for f, n, line in each) for name, each in data.items()}


def _control(seeds: Sequence[judge.Seed], home: Path) -> None:
    every: dict[str, list[Call]] = {}
    for seed in seeds:
        called: set[tuple[str, str, int]] = set()

        def note(frame: FrameType, event: str, argument: object, called: set[Call] = called) -> None:
            code = frame.f_code
            called.add((code.co_filename, code.co_name, code.co_firstlineno))

        sys.settrace(note)
        one = _try(seed, home)
        sys.settrace(None)
        _append(home, one)
        every[seed.name] = sorted(
            (str(Path(file).relative_to(PACKAGE)), name, line)
            for file, name, line in called
            if file.startswith(f"{PACKAGE}/")
        )
    (home / "calls.json").write_text(json.dumps(every))


def run_mutants(
    mutants: Sequence[Mutant],
    seeds: Sequence[judge.Seed],
    work: Path,
    jobs: int,
    calls: Calls,
    importers: Mapping[str, set[str]],
    *,
    every: bool,
) -> Iterator[Outcome]:
    """Run mutants, some at the same time, and yield what became of each."""
    waiting, running = list(mutants)[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            own, home = seeds_for(mutant, seeds, calls), _home(work, mutant.name)
            child = os.fork()
            if child == 0:
                names = importers.get(mutant.module, {mutant.module})
                isolated(home, lambda m=mutant, n=names, s=own, h=home: _mutated(m, n, s, h, every=every))
            running[child] = (mutant, home, time.monotonic())
        for child, (mutant, home, began) in list(running.items()):
            late = time.monotonic() - began > SECONDS
            if late:
                os.kill(child, signal.SIGKILL)
            done, status = os.waitpid(child, 0 if late else os.WNOHANG)
            if done:
                del running[child]
                yield _read(mutant, home, status, late=late)
                shutil.rmtree(home, ignore_errors=True)
        time.sleep(0.1)


def _home(work: Path, name: str) -> Path:
    home = work / "runs" / name
    shutil.rmtree(home, ignore_errors=True)
    (home / "tmp").mkdir(parents=True)
    return home


def _read(mutant: Mutant | None, home: Path, status: int, *, late: bool) -> Outcome:
    """Return what a child has written, and how it ended."""
    path = home / "tries.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    tries = [Try(**json.loads(line)) for line in lines]
    if late or status:
        what = "does not end" if late else f"ends with status {status}"
        tries.append(Try("any", "killed", "crash", what))
    return Outcome(mutant, tries)


def _append(home: Path, one: Try) -> None:
    with (home / "tries.jsonl").open("a") as file:
        file.write(json.dumps(asdict(one)) + "\n")


def isolated(home: Path, work: Callable[[], None]) -> None:
    """Do some work in a store and a temporary folder of its own, and end this process."""
    code = 1
    try:
        os.environ["SPECIALIZE_STORE"] = str(home / "store")
        tempfile.tempdir = str(home / "tmp")
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _mutated(
    mutant: Mutant, names: set[str], seeds: Sequence[judge.Seed], home: Path, *, every: bool
) -> None:
    forget(names)
    install(mutant)
    for seed in seeds:
        one = _try(seed, home)
        _append(home, one)
        if one.verdict != "survived" and not every:
            return


def _try(seed: judge.Seed, home: Path) -> Try:
    """Build one seed as it is, and judge what came out."""
    build = home / "build" / seed.name
    try:
        tables = _built(seed, build)
    except Exception as error:
        check = type(error).__name__
        if not type(error).__module__.startswith("specialize"):
            check = f"crash: {check}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Try(seed.name, "killed", check, f"{error} [{Path(where.filename).name}:{where.name}]"[:400])
    ratio = judge.judge(seed, build, tables)
    return Try(seed.name, "escaped" if ratio > 1 else "survived", ratio=ratio)


def _built(seed: judge.Seed, build: Path) -> dict[str, Path]:
    """Build a seed, and make the tables of its further vehicles; return the tables by vehicle."""
    from specialize.compiler.build import build as compile_model
    from specialize.request import BuildRequest

    over = {
        "tables": {"capacity_over": tuple(seed.others()[:1])},
        "envelope": {"envelope_over": tuple(seed.others())},
    }.get(seed.mode, {})
    model, calib = str(seed.folder / "model.onnx"), seed.folder / "vehicle.yaml"
    compile_model(BuildRequest(calib=calib, model=model, output=build, frames=2, **over, **seed.options))
    if seed.mode != "tables":
        return {}
    from specialize.binding.make_tables import make_table
    from specialize.errors import StaleError

    tables = {"vehicle": build / "table.safetensors"}
    for path in seed.others():
        tables[path.stem] = build.with_name(f"{path.stem}.safetensors")
        make_table(build, path, tables[path.stem])
    for path in seed.beyond():
        with contextlib.suppress(StaleError):  # refused, as it should be
            made = build.with_name(f"{path.stem}.safetensors")
            make_table(build, path, made)
            tables[path.stem] = made
    return tables
