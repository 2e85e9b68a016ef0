"""What benchmarks of forms that take turns have in common: times by form, a copy as a bound, and a file that grows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.run import write_results
from specialize.bench import Spread

Figure = TypeVar("Figure")

COPIED_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Times of forms that take turns, ms.

    Attributes:
        runtime: Name and version of the runtime.
        rounds: Timed runs of each form.
        median_ms: Form -> median.
        low_ms: Form -> lower quartile.
        high_ms: Form -> upper quartile.
        faster: Form -> how many times faster than the first form, median by rounds.
        copy_ms: Time of a copy of the bytes that are read, at the rate of memory, on one thread.
    """

    runtime: str
    rounds: int
    median_ms: dict[str, float]
    low_ms: dict[str, float]
    high_ms: dict[str, float]
    faster: dict[str, float]
    copy_ms: float


def times_of(seconds: Mapping[str, Spread], ratios: Mapping[str, Spread], read_bytes: int) -> dict[str, Any]:
    """Return the times of `Times` from the seconds of one run by form, and how many times faster each form is."""
    return {
        "median_ms": {form: round(1e3 * each.median, 2) for form, each in seconds.items()},
        "low_ms": {form: round(1e3 * each.low, 2) for form, each in seconds.items()},
        "high_ms": {form: round(1e3 * each.high, 2) for form, each in seconds.items()},
        "faster": {form: round(each.median, 3) for form, each in ratios.items()},
        "copy_ms": round(1e3 * read_bytes * _seconds_per_byte(), 2),
    }


def _seconds_per_byte() -> float:
    """Return how long a copy of one byte takes in large blocks, by processor time."""
    source, target = np.ones(COPIED_BYTES, np.uint8), np.empty(COPIED_BYTES, np.uint8)
    spent = []
    for _ in range(15):
        start = time.process_time()
        np.copyto(target, source)
        spent.append(time.process_time() - start)
    return float(np.median(spent[3:])) / COPIED_BYTES


def stored(path: Path, kind: type[Figure]) -> dict[str, Figure]:
    """Return the figures of a file by name; none if it is not there."""
    found = json.loads(path.read_text())["figures"] if path.exists() else {}
    return {name: kind(**figure) for name, figure in found.items()}


def add_figures(
    path: Path, schema: str, kind: type[Figure], figures: Mapping[str, Figure], **about: object
) -> Path:
    """Add figures to those of a file, with machine, versions, and what else they are about."""
    return write_results(path, schema, stored(path, kind) | dict(figures), **about)
