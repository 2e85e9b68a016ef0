"""Faults at chosen steps: a script that runs one command line many times, each time disturbed at another step.

    python -m tests.end_to_end.faults REQUEST.json

A step is an operation that changes the file system, counted by the interpreter's audit hook, so that the n-th is the
same whatever the machine. Each run is a fork of one process that has loaded what commands import.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

STEPS = frozenset(
    {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link",
     "shutil.copyfile", "shutil.move", "fcntl.flock"}
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR


def counted(act: Callable[[int], None], under: str) -> None:
    """Call `act` with its number at every step below a folder."""
    number = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if not (opened or event in STEPS):
            return
        if event != "fcntl.flock" and not str(arguments[0]).startswith(under):
            return
        number += 1
        act(number)

    sys.addaudithook(hook)


def disturbed(arguments: list[str], fault: str, at: int, folder: Path) -> dict[str, Any]:
    """Run a command line in a fork, disturbed at one step; return its exit code, texts and number of steps."""
    answer = folder / f"answer-{fault}-{at}.json"
    child = os.fork()
    if child == 0:
        _run(arguments, fault, at, folder, answer)
    _, status = os.waitpid(child, 0)
    found: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {}
    answer.unlink(missing_ok=True)
    return {"code": os.waitstatus_to_exitcode(status), **found}


def _run(arguments: list[str], fault: str, at: int, folder: Path, answer: Path) -> None:
    """Run in this process and leave it."""
    from specialize.cli.app import run

    steps, under = 0, str(folder / "work")

    def act(number: int) -> None:
        nonlocal steps
        steps = number
        if number != at:
            return
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in ("SIGTERM", "SIGHUP"):
            os.kill(os.getpid(), getattr(signal, fault))
        if fault == "vanish":
            shutil.rmtree(folder / "work" / "store", ignore_errors=True)

    counted(act, under)
    if fault == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    if fault == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    answer.write_text(json.dumps({"steps": steps, "err": err.getvalue(), "out": out.getvalue()}))
    os._exit(code)


def tree(folder: Path) -> dict[str, str]:
    """Return a digest of every file below a folder, but locks, which are empty of meaning."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "lock" not in path.suffix and path.name != "lock" and "/locks/" not in str(path)
    }


def campaign(arguments: list[str], fault: str, tries: int, folder: Path) -> dict[str, Any]:
    """Disturb a command at steps spread over its run; after each, run it again undisturbed and compare the files.

    Args:
        arguments: The command line; it works below `folder/work`, which is put back before every try.
        fault: `kill`, `SIGTERM`, `SIGHUP`, `vanish`, or `size` (no file may grow beyond a number of bytes).
        tries: Number of steps, or of sizes.
        folder: Has `start`, what is there before.
    """
    work, start = folder / "work", folder / "start"

    def restart() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(start, work, copy_function=shutil.copy2)

    restart()
    whole = disturbed(arguments, "none", 0, folder)
    wanted, total = tree(work), whole.get("steps", 0)
    largest = max((path.stat().st_size for path in work.rglob("*") if path.is_file()), default=1)
    found = []
    for number in range(tries):
        at = (largest if fault == "size" else total) * (number + 1) // (tries + 1) + (fault != "size")
        restart()
        hit = disturbed(arguments, fault, at, folder)
        left = sorted(set(tree(work)) - set(wanted))
        again = disturbed(arguments, "none", 0, folder)
        after = tree(work)
        differing = sorted(name for name in wanted | after if wanted.get(name) != after.get(name))
        found.append({"at": at, "hit": hit, "left": left, "again": again["code"], "differing": differing})
    return {"code": whole["code"], "err": whole.get("err", ""), "steps": total, "tries": found}


def main() -> None:
    """Read requests from a file, one campaign each, and print what became of them."""
    import numpy  # noqa: F401 - loaded before forks, which then start at once
    import onnx  # noqa: F401
    import onnx_ir.passes.common  # noqa: F401
    import onnxruntime  # noqa: F401
    import scipy.sparse  # noqa: F401

    request = json.loads(Path(sys.argv[1]).read_text())
    found = {
        fault: campaign(request["arguments"], fault, tries, Path(request["folder"]))
        for fault, tries in request["faults"].items()
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
