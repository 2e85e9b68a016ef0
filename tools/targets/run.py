"""Compile for real: every toolchain in its own environment and process, with a time limit; write what happened.

usage: python tools/targets/run.py [--only NAME ...] [--forms FORM ...] [--results docs/targets.json]

Environments are made below `.targets/` on first use (several gigabytes for RKNN) and are never part of the package.
A toolchain that does not install reads "not checked", never "passed".
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
HOME = ROOT / ".targets"
RESULTS = ROOT / "docs" / "targets.json"
LIMIT_S = 500
INSTALL_LIMIT_S = 1800
MARK = "RESULT "

PACKAGES: dict[str, list[list[str]]] = {
    "onnxruntime": [],
    "openvino": [],
    "tvm": [["apache-tvm==0.27.0", "onnx==1.18.0", "numpy<2.3"]],
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

REASONS = ("must be", "need to be", "not found", "not support")
"""Words in the lines that say why."""

FORMS = ("dynamic", "padded", "specialized")


def main() -> None:
    """Run the toolchains asked for and merge what they did into the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    results: dict[str, Any] = json.loads(chosen.results.read_text()) if chosen.results.is_file() else {}
    with tempfile.TemporaryDirectory(prefix="targets-") as folder:
        graphs = Path(folder)
        subprocess.run([sys.executable, HERE / "graphs.py", graphs, *chosen.only], check=True, cwd=ROOT)
        expect(graphs)
        for name in chosen.only:
            results[name] = results.get(name, {}) | check(name, graphs, chosen.forms)
            print(name, json.dumps(results[name], indent=1), flush=True)
    ordered = {name: results[name] for name in PACKAGES if name in results}
    chosen.results.write_text(json.dumps(ordered, indent=1) + "\n")


def expect(graphs: Path) -> None:
    """Write what ONNX Runtime computes from the padded form: that is what every form must give."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graphs / "padded.onnx"))
    feeds = dict(np.load(graphs / "feeds.npz"))
    (found,) = session.run(None, {value.name: feeds[value.name] for value in session.get_inputs()})
    np.save(graphs / "expected.npy", found)


def check(name: str, graphs: Path, forms: list[str]) -> dict[str, Any]:
    """Return what one toolchain does with each form."""
    python = environment(name)
    if isinstance(python, str):
        return {form: {"checked": False, "message": python} for form in forms}
    return {form: one(name, python, graphs, form) for form in forms}


def environment(name: str) -> Path | str:
    """Return the Python of a toolchain's environment, made on first use; or why there is none."""
    if not PACKAGES[name]:
        return Path(sys.executable)
    folder = HOME / name
    python = folder / "bin" / "python"
    if (folder / "installed").exists():
        return python
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


def one(name: str, python: Path, graphs: Path, form: str) -> dict[str, Any]:
    """Return what one toolchain does with one graph, in a process of its own."""
    model = graphs / name / "specialized.onnx" if form == "specialized" else graphs / f"{form}.onnx"
    expected = graphs / ("none" if form == "dynamic" else "expected.npy")
    room = graphs / name / form
    room.mkdir(parents=True)
    command = [python, HERE / "workers" / f"{name}_worker.py", model, graphs / "feeds.npz", expected, room]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=room, check=False)
    except subprocess.TimeoutExpired:
        return {"checked": True, "accepted": False, "message": f"no answer in {LIMIT_S} s"}
    lines = [line for line in ran.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        tail = " ".join((ran.stderr or ran.stdout).split())[-200:]
        return {"checked": True, "accepted": False, "message": f"ended with {ran.returncode}: {tail}"}
    result: dict[str, Any] = {"checked": True, **json.loads(lines[-1].removeprefix(MARK))}
    if not result["accepted"]:
        result["message"] = quoted(ran.stdout + ran.stderr) or result.get("message", "")
    return result


def quoted(log: str) -> str:
    """Return the line of a log that says why, where a toolchain only raises "failed"."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log)
    lines = [line.rsplit("it/s]", 1)[-1].strip() for line in plain.splitlines() if MARK not in line]
    found = [line for line in lines if "NonZero" in line and any(key in line for key in REASONS)]
    return min(found, key=len)[:240] if found else ""


if __name__ == "__main__":
    main()
