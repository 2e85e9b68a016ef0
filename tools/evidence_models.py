"""Build every model family for one vehicle in both layouts, and print what each build took.

Each build is a process of its own, so that its peak memory is its own. The exit code is 1 if a build fails, does not
verify, or takes more memory than `MOST_BYTES`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
MODELS = (
    "bevformer_tiny",
    "bevformer_small",
    "bevformer_base",
    "surroundocc",
    "streampetr",
    "bevfusion_camera",
)
LAYOUTS = ("ragged", "padded")
FRAMES = 2  # the first without history, the second with it
MOST_BYTES = 12 * 2**30
SCHEMA = "specialize/evidence-models@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One build.

    Attributes:
        model: Name of the model.
        layout: How visible rows are laid out.
        seconds: Wall time, export included if the store did not have it.
        peak_bytes: Most memory that the process held.
        verified: Whether it was built, and every output equals the original's.
        difference: Largest of any output to the original's, relative.
        rows: Rows of all sites, in the original and in the build.
        attention_flops: Operations of the sites, in the original and in the build.
        model_flops: Operations of the whole model, likewise.
        error: What the build said, if it failed.
    """

    model: str
    layout: str
    seconds: float
    peak_bytes: int
    verified: bool = False
    difference: float = 0.0
    rows: tuple[int, int] = (0, 0)
    attention_flops: tuple[int, int] = (0, 0)
    model_flops: tuple[int, int] = (0, 0)
    error: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the build is equal and stayed within the memory."""
        return self.verified and self.peak_bytes <= MOST_BYTES


def measure(model: str, layout: str, calib: Path, folder: Path, frames: int = FRAMES) -> Evidence:
    """Build one model in a process of its own; the build is left in a folder that is not there yet."""
    command = [sys.executable, "-m", "specialize", "build", "--json", "--model", model, "--layout", layout]
    command += ["--calib", str(calib.resolve()), "--frames", str(frames), "-o", str(folder.resolve())]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        said, complaint = output.read(), errors.read().decode()
    found = Evidence(model=model, layout=layout, seconds=seconds, peak_bytes=usage.ru_maxrss * 1024)
    if process.returncode != 0:
        return _with(found, error=complaint.strip() or f"exit code {process.returncode}")
    return _with(found, **_read(json.loads(said)))


def _with(found: Evidence, **changes: Any) -> Evidence:
    return Evidence(**{**asdict(found), **changes})


def _read(data: dict[str, Any]) -> dict[str, Any]:
    """Return what `specialize build --json` says, in the terms of `Evidence`."""
    before, after = data["flops"]["original"], data["flops"]["specialized"]
    outputs = data["verify"]["outputs"].values()
    return {
        "verified": bool(data["verify"]["passed"]),
        "difference": max(float(output["max_rel"]) for output in outputs),
        "rows": (before["pairs"], after["pairs"]),
        "attention_flops": (before["attention"], after["attention"]),
        "model_flops": (before["model"], after["model"]),
    }


def as_table(found: Sequence[Evidence]) -> str:
    """Return a Markdown table, columns aligned."""
    head = ["model", "layout", "equal", "largest difference", "seconds", "peak GiB", "rows", "rows saved"]
    head += ["attention FLOPs saved", "model FLOPs saved"]
    rows = [head, *([str(cell) for cell in _cells(each)] for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    rows.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def _cells(each: Evidence) -> list[str]:
    took = [f"{each.seconds:.0f}", f"{each.peak_bytes / 2**30:.1f}"]
    if not each.verified:
        return [each.model, each.layout, "FAILED", "-", *took, "-", "-", "-", "-"]
    savings = [_saved(each.rows), _saved(each.attention_flops), _saved(each.model_flops)]
    return [
        each.model,
        each.layout,
        "yes",
        f"{each.difference:.1e}",
        *took,
        f"{each.rows[1]:,} of {each.rows[0]:,}" if each.rows[0] else "-",
        *savings,
    ]


def _saved(pair: tuple[int, int]) -> str:
    before, after = pair
    return f"{before / after:.2f}x" if before and after else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what was asked for, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="*", default=list(MODELS), help="default: one of every family and size"
    )
    parser.add_argument("--calib", type=Path, default=REPOSITORY / "calib_profiles" / "car42.yaml")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        action="append",
        dest="layouts",
        help="default: every one; may be repeated",
    )
    parser.add_argument("--frames", type=int, default=FRAMES, help="frames that verification compares")
    parser.add_argument("--json", type=Path, help="file that takes the figures too")
    given = parser.parse_args(arguments)
    found: list[Evidence] = []
    with tempfile.TemporaryDirectory(prefix="evidence-") as room:
        for model in given.models:
            for layout in given.layouts or LAYOUTS:
                print(f"building {model}, {layout}", file=sys.stderr, flush=True)
                folder = Path(room) / f"{model}.{layout}"
                found.append(measure(model, layout, given.calib, folder, given.frames))
    print(as_table(found))
    for each in found:
        if not each.passed:
            print(
                f"\n{each.model}, {each.layout}: {each.error or 'not equal, or too much memory'}",
                file=sys.stderr,
            )
    if given.json is not None:
        figures = {"schema": SCHEMA, "builds": [asdict(each) for each in found]}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if all(each.passed for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
