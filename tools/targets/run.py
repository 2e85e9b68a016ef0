"""Compile for real: every toolchain in its own environment and process, with a time limit; write what happened.

usage: python tools/targets/run.py [--what site|whole|head|pooling] [--only NAME ...] [--forms FORM ...]
                                   [--model FILE --section NAME] [--results FILE]

`site` is one attention, in three forms; `whole` is all of BEVFormer-tiny, zero-padded and specialized; `head` is what
comes behind the images' features; `pooling` is BEVFusion's view transform, as exported too, or another file's.
Environments are made below `.targets/` on first use (several gigabytes for RKNN) and are never part of the package. A
toolchain that does not install reads "not checked", never "passed"; one that dies or does not answer gives a row that
says so, and the others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.targets import declined
from tools.targets.quote import MARK, quoted

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
HOME = ROOT / ".targets"
RESULTS = ROOT / "docs" / "targets.json"
LIMIT_S = 900
"""Per form: an emulated chip takes minutes for encoder and decoder, as does RKNN's compiler."""
INSTALL_LIMIT_S = 1800

PACKAGES: dict[str, list[list[str]]] = {
    "onnxruntime": [],
    "openvino": [],
    "tvm": [["apache-tvm==0.27.0", "onnx==1.18.0", "numpy<2.3"]],
    "iree": [["iree-base-compiler[onnx]==3.13.0", "iree-base-runtime==3.13.0", "numpy"]],
    "litert": [
        ["onnx2tf==1.29.24", "tensorflow-cpu==2.19.0", "tf_keras==2.19.0", "ai-edge-litert", "onnxruntime",
         "onnxsim", "sng4onnx", "psutil"],
    ],
    "qnn": [["onnxruntime-qnn==2.7.0", "onnxruntime==1.29.0", "numpy"]],
    "tensorrt": [["tensorrt-rtx-cu12==1.7.1.116", "numpy"]],
    "rknn": [
        ["torch==2.13.0"],
        ["--no-deps", "rknn-toolkit2==2.5.0"],
        ["numpy<=1.26.4", "onnx==1.18.0", "protobuf<=4.25.4", "onnxruntime", "setuptools<80", "fast-histogram",
         "ruamel.yaml", "scipy", "tqdm", "psutil", "opencv-python-headless"],
    ],
}  # fmt: skip
"""What each environment is made of, one pip run per list; those without any run in the project's own."""

FORMS = {
    "site": ("dynamic", "padded", "specialized"),
    "whole": ("padded", "specialized"),
    "head": ("padded", "specialized"),
    "pooling": ("exported", "padded", "specialized"),
}
SCRIPTS = {
    "site": ["graphs.py"],
    "whole": ["whole.py", "whole"],
    "head": ["whole.py", "head"],
    "pooling": ["whole.py", "pooling"],
}
MEMORY = {
    re.compile(r"Total Internal Memory Size: (\d+)KB"): 1024,
    re.compile(r"Total Activation Memory: (\d+) bytes"): 1,
}
"""What toolchains say of the memory between their layers, and its unit in bytes."""

ONLY_SITES = frozenset({"iree", "litert"})
"""Toolchains that are no targets of a build: they are given one attention."""

COMPILED_ONLY = frozenset({("whole", "qnn"), ("pooling", "qnn")})
"""What is not run: the emulation of a chip takes minutes for one attention, and a backbone is far more work."""


def main() -> None:
    """Run the toolchains asked for and merge what they did into the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", choices=tuple(FORMS), default="site")
    parser.add_argument("--only", nargs="+", choices=list(PACKAGES))
    parser.add_argument("--forms", nargs="+", choices=("dynamic", *FORMS["pooling"]))
    parser.add_argument("--limit", type=int, default=LIMIT_S, help="seconds per form")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--model", type=Path, help="instead of the model of `--what`: an ONNX file with its sidecar"
    )
    parser.add_argument("--section", default="", help="of the results [default: what was compiled]")
    chosen = parser.parse_args()
    names = chosen.only or [name for name in PACKAGES if chosen.what == "site" or name not in ONLY_SITES]
    forms = [form for form in chosen.forms or FORMS[chosen.what] if form in FORMS[chosen.what]]
    with tempfile.TemporaryDirectory(prefix="targets-") as folder:
        graphs = Path(folder)
        script, *words = SCRIPTS[chosen.what]
        words = [str(chosen.model.resolve())] if chosen.model else words
        subprocess.run([sys.executable, HERE / script, *words, graphs, *names], check=True, cwd=ROOT)
        expect(graphs)
        for name in names:
            start = time.perf_counter()
            found = check(name, graphs, forms, chosen.limit, (chosen.what, name) not in COMPILED_ONLY)
            print(name, json.dumps(found, indent=1), f"{time.perf_counter() - start:.0f} s", flush=True)
            merge(chosen.results, chosen.section or chosen.what, name, found)


def merge(path: Path, section: str, name: str, found: dict[str, Any]) -> None:
    """Write what one toolchain did over what is there, in the order of the table."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    part = results.get(section, {})
    part[name] = part.get(name, {}) | found
    results[section] = {each: part[each] for each in PACKAGES if each in part}
    path.write_text(json.dumps(results, indent=1) + "\n")


def expect(graphs: Path) -> None:
    """Write what ONNX Runtime computes from the padded form: that is what every form must give."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graphs / "padded.onnx"))
    feeds = dict(np.load(graphs / "feeds.npz"))
    found = session.run(None, {value.name: feeds[value.name] for value in session.get_inputs()})
    names = [value.name for value in session.get_outputs()]
    np.savez(graphs / "expected.npz", **dict(zip(names, found, strict=True)))


def check(name: str, graphs: Path, forms: list[str], limit_s: int, run: bool = True) -> dict[str, Any]:
    """Return what one toolchain does with each form: compiles it, and runs it unless told not to."""
    python = environment(name)
    if isinstance(python, str):
        return {form: {"checked": False, "message": python} for form in forms}
    return {form: one(name, python, graphs, form, limit_s, run) for form in forms}


def environment(name: str) -> Path | str:
    """Return the Python of a toolchain's environment, made on first use; or why there is none."""
    if not PACKAGES[name]:
        return Path(sys.executable)
    folder = HOME / name
    python = folder / "bin" / "python"
    if (folder / "installed").exists() and python.exists():
        return python
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=INSTALL_LIMIT_S)
        for packages in PACKAGES[name]:
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            subprocess.run(command, check=True, timeout=INSTALL_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return f"not checked: it does not install here ({type(error).__name__})"
    (folder / "installed").touch()
    return python


def one(name: str, python: Path, graphs: Path, form: str, limit_s: int, run: bool = True) -> dict[str, Any]:
    """Return what one toolchain does with one graph, in a process of its own."""
    said = declined.read(graphs / name) if form == "specialized" else ""
    if said:
        return {"checked": True, "accepted": False, "message": said}
    model = graphs / name / "specialized.onnx" if form == "specialized" else graphs / f"{form}.onnx"
    expected = graphs / ("expected.npz" if run and form not in ("dynamic", "exported") else "none")
    room = graphs / name / form
    room.mkdir(parents=True)
    command = [python, HERE / "workers" / f"{name}_worker.py", model, graphs / "feeds.npz", expected, room]
    try:
        ended = _ended(command, room, limit_s)
    except OSError as error:
        return {
            "checked": False,
            "message": f"not checked: its Python does not start ({type(error).__name__})",
        }
    text = (room / "log").read_text(errors="replace")
    shutil.rmtree(room)  # engines of whole models are large
    return read(text, ended)


def _ended(command: Sequence[str | Path], room: Path, limit_s: int) -> str:
    """Run a command with its log in a folder; return how it ended, and leave none of its processes behind."""
    with (room / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=room, start_new_session=True
        )
        try:
            return f"ended with {process.wait(timeout=limit_s)}"
        except subprocess.TimeoutExpired:
            return f"no answer in {limit_s} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def read(log: str, ended: str) -> dict[str, Any]:
    """Return the last result in a log; what it was refused for is quoted from the log."""
    lines = [line for line in log.splitlines() if line.startswith(MARK)]
    if not lines:
        said = quoted(log)
        message = said or (" ".join(log.split())[-200:] if ended.startswith("ended") else "")
        return {"checked": True, "accepted": False, "message": f"{ended}: {message}" if message else ended}
    result: dict[str, Any] = {"checked": True, **json.loads(lines[-1].removeprefix(MARK))}
    if (
        result.get("run") == "no answer"
    ):  # of a process that was stopped, or died, while it ran what it had compiled
        result["run"] = ended
    for pattern, unit in MEMORY.items():
        if memory := pattern.search(log):
            result["memory_bytes"] = int(memory[1]) * unit
    if not result["accepted"]:
        result["message"] = quoted(log) or result.get("message", "")
    return result


if __name__ == "__main__":
    main()
