"""What every worker does: run a step with a clock, compare with what is expected, print one line of JSON per step."""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MARK = "RESULT "

Run = Callable[[dict[str, np.ndarray]], Sequence[np.ndarray]]
"""Returns the outputs in the model's order."""


@dataclass(frozen=True)
class Made:
    """What a toolchain made of a model.

    Attributes:
        size: In bytes.
        run: How to run it; None if it cannot be run here.
        options: Options that it was compiled with because it was refused without them; empty if it was not.
    """

    size: int
    run: Run | None
    options: str = ""


def work(compile_: Callable[[Path, Path], Made], version: str) -> None:
    """Compile the model named on the command line, run it if it can be run, and print what happened.

    Args:
        compile_: Takes the model and an empty folder.
        version: Of the toolchain.

    The command line is MODEL FEEDS EXPECTED FOLDER; EXPECTED may be missing. What is known is printed after
    compiling, so that a run that takes too long takes nothing back.
    """
    model, feeds, expected, folder = (Path(word) for word in sys.argv[1:5])
    result: dict[str, Any] = {"version": version, "accepted": False}
    start = time.perf_counter()
    try:
        made = compile_(model, folder)
        result |= {"accepted": True, "compile_s": round(time.perf_counter() - start, 2), "bytes": made.size}
        result |= {"options": made.options} if made.options else {}
        if made.run is not None and expected.is_file():
            print(MARK + json.dumps(result | {"run": "no answer"}), flush=True)
            start = time.perf_counter()
            got = made.run(dict(np.load(feeds)))
            result |= {"run_s": round(time.perf_counter() - start, 3)} | compare(got, dict(np.load(expected)))
    except BaseException as error:  # toolchains raise types of their own, some derive from BaseException
        result["message"] = shortened(f"{type(error).__name__}: {error}")
        traceback.print_exc()
    print(MARK + json.dumps(result), flush=True)


def compare(got: Sequence[np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the largest difference, and the largest number that was expected, of the output that is worst."""
    worst: dict[str, Any] = {}
    for (name, array), found in zip(wanted.items(), got, strict=True):
        difference = np.abs(np.asarray(found, dtype=np.float64).reshape(array.shape) - array)
        error, largest = float(difference.max()), float(np.abs(array).max())
        each = {"error": error if np.isfinite(error) else 1e30, "largest": largest, "output": name}
        if not worst or each["error"] * worst["largest"] > worst["error"] * largest:
            worst = each
    return worst


def shortened(text: str) -> str:
    """Return the first lines of a message, without addresses and machine paths."""
    if "Traceback" in text:  # quoted in the message: what was raised stands in its last line
        text = text.strip().splitlines()[-1]
    plain = re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"(/[\w.+-]+){2,}/", "", text))
    return " ".join(plain.split())[:300]
