"""Build models in float16 and int8 and write what each loses into the guide, one row per output.

Weights and frames are seeded: the figures say that a conversion works and how it compares with another, not how well
a trained model detects afterwards. Models already measured are taken from the file of results.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from specialize.files.scratch import temporary_folder

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "precision.json"
GUIDE = REPOSITORY / "docs" / "guides" / "precision.md"
BEGIN, END = "<!-- losses -->\n", "<!-- end of losses -->"
PRECISIONS = ("fp16", "int8")
NO_CALIBRATION = ("bevfusion_camera.backbone", "bevfusion_fuser", "bevfusion_head.bbox")
MODELS = (
    "bevformer_tiny", "streampetr", "bevfusion_camera", "bevfusion_camera.backbone", "bevfusion_camera.vtransform",
    "bevfusion_fuser", "bevfusion_head.bbox", "bevformer_small", "bevformer_base", "surroundocc",
)  # fmt: skip
FRAMES = 2  # the first without history, the second with it
SCHEMA = "specialize/precision-losses@1"


def measured(model: str, precision: str, calib: Path) -> dict[str, Any]:
    """Build one model in a process of its own; return what its manifest says of the loss, or its error."""
    with temporary_folder("precision") as folder:
        command = [
            sys.executable,
            "-m",
            "specialize",
            "build",
            "--json",
            "--calib",
            str(calib),
            "--model",
            model,
        ]
        command += ["--precision", precision, "--frames", str(FRAMES), "-o", f"{folder}/build"]
        command += ["--allow-unchanged"] if model in NO_CALIBRATION else []
        with (Path(folder) / "out").open("w+") as output, (Path(folder) / "err").open("w+") as errors:
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            found: dict[str, Any] = {
                "seconds": round(time.perf_counter() - start, 1), "peak_bytes": usage.ru_maxrss * 1024
            }  # fmt: skip
            output.seek(0), errors.seek(0)
            if process.returncode:
                lines = [line for line in errors.read().splitlines() if line.startswith("error: ")]
                return found | {"error": (lines or ["no error was printed"])[-1].removeprefix("error: ")}
            return found | {"precision": json.load(output)["precision"]}


def rows(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return the table in Markdown, a row per output."""
    lines = [
        "| model | precision | constants | nodes in float32 | output | max abs | max rel | cosine | build, memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model in (name for name in MODELS if name in results):
        for precision in (name for name in PRECISIONS if name in results[model]):
            lines += _rows(model, precision, results[model][precision])
    return lines


def _rows(model: str, precision: str, found: dict[str, Any]) -> list[str]:
    took = f"{found['seconds']:.0f} s, {found['peak_bytes'] / 2**30:.1f} GiB"
    if "error" in found:
        return [f"| {model} | {precision} | | | failed: {found['error']} | | | | {took} |"]
    made = found["precision"]
    sizes = f"{made['constant_bytes'] / 2**20:.1f} of {made['constant_bytes_float32'] / 2**20:.1f} MiB"
    bits = f", weights of {made.get('weight_bits', 8)} bits" if precision == "int8" else ""
    head = f"| {model} | {precision}{bits} | {sizes} | {made['kept']} of {made['nodes']} |"
    lines = []
    for name, loss in made["outputs"].items():
        figures = f"{loss['max_abs']:.2g} | {float(loss['max_rel']):.2g} | {loss['cosine']:.6f}"
        lines.append(f"{head} `{name}` | {figures} | {took} |")
        head, took = "| | | | |", ""
    return lines


def write_guide(results: dict[str, dict[str, Any]], guide: Path) -> None:
    """Put the table between its marks."""
    before, _, rest = guide.read_text().partition(BEGIN)
    guide.write_text(before + BEGIN + "\n".join(rows(results)) + "\n" + END + rest.partition(END)[2])


def main() -> int:
    """Measure, keep the results, print the table; with `--write` put it into the guide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="models to measure [default: all]")
    parser.add_argument("--calib", type=Path, default=REPOSITORY / "calib_profiles" / "car42.yaml")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--write", action="store_true", help="write the table into the guide")
    given = parser.parse_args()
    results = json.loads(given.results.read_text())["models"] if given.results.exists() else {}
    for model in given.models or MODELS:
        for precision in PRECISIONS:
            if given.again or precision not in results.get(model, {}):
                print(f"{model}, {precision}", file=sys.stderr, flush=True)
                results.setdefault(model, {})[precision] = measured(model, precision, given.calib.resolve())
                text = json.dumps({"schema": SCHEMA, "models": results}, indent=1, sort_keys=True) + "\n"
                given.results.write_text(text)
    print("\n".join(rows(results)))
    if given.write:
        write_guide(results, GUIDE)
    return 1 if any("error" in found for by_name in results.values() for found in by_name.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
