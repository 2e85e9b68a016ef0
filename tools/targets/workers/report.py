"""What every worker does: run a step with a clock, compare with what is expected, print one line of JSON."""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MARK = "RESULT "


def work(
    compile_: Callable[[Path, Path], tuple[int, Callable[[dict[str, np.ndarray]], np.ndarray] | None]],
    version: str,
) -> None:
    """Compile the model named on the command line, run it if it can be run, and print what happened.

    Args:
        compile_: Takes the model and an empty folder; returns the size of what it made in bytes, and how to run it.
        version: Of the toolchain.

    The command line is MODEL FEEDS EXPECTED FOLDER; EXPECTED may be missing.
    """
    model, feeds, expected, folder = (Path(word) for word in sys.argv[1:5])
    result: dict[str, Any] = {"version": version, "accepted": False}
    start = time.perf_counter()
    try:
        size, run = compile_(model, folder)
        result |= {"accepted": True, "compile_s": round(time.perf_counter() - start, 2), "bytes": size}
        if run is not None and expected.is_file():
            start = time.perf_counter()
            got = run(dict(np.load(feeds)))
            wanted = np.load(expected)
            error = float(np.abs(np.asarray(got, dtype=np.float64).reshape(wanted.shape) - wanted).max())
            result |= {
                "run_s": round(time.perf_counter() - start, 3),
                "error": error,
                "largest": float(np.abs(wanted).max()),
            }
    except BaseException as error:  # toolchains raise types of their own, some derive from BaseException
        result["message"] = shortened(f"{type(error).__name__}: {error}")
        traceback.print_exc()
    print(MARK + json.dumps(result), flush=True)


def shortened(text: str) -> str:
    """Return the first lines of a message, without addresses and machine paths."""
    plain = re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"(/[\w.+-]+){2,}/", "", text))
    return " ".join(plain.split())[:300]
