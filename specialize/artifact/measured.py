"""Define the measurement of a build, made once on the machine that built it, in a file next to the build.

Times differ from run to run, but a build has the same bytes wherever it is made; so no digest covers this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from specialize.errors import InputError
from specialize.files.atomic import write_file
from specialize.files.regular import read_regular
from specialize.text.record import Record

SUFFIX = ".measured.json"


class MeasuredForm(Record, frozen=True, kw_only=True):
    """One form of a model or of its sites, in a process of its own.

    Attributes:
        cpu_seconds: Processor time of one run, the median.
        seconds: Wall time of one run, the median.
        peak_bytes: Peak memory of the process, beyond that of the runtime and the inputs.
    """

    cpu_seconds: float
    seconds: float
    peak_bytes: int


class MeasuredPart(Record, frozen=True, kw_only=True):
    """The original and the specialized form of one part.

    Attributes:
        part: `sites` (all sites with their projections, cut out of both models) or `model`.
        runs: Runs of each form, in turn.
        warm: Whether a run of each came before them.
        ratio: How many times less processor time the specialized form takes, the median over the runs.
        original: The original; of `sites` with what the calibration determines already folded.
        specialized: The build's model, before a conversion to another number format.
    """

    part: Literal["sites", "model"]
    runs: int
    warm: bool
    ratio: float
    original: MeasuredForm
    specialized: MeasuredForm


class Measured(Record, frozen=True, kw_only=True):
    """`<build>.measured.json`: evidence of one machine at one moment.

    Attributes:
        schema: Version of this format.
        build: Digest of the manifest of the build that was measured.
        runtime: Name and version of the runtime.
        threads: Threads within an operator.
        parts: What was measured; the sites first.
        not_measured: What was not, and why, in one line each.
        contradictions: Where count and measurement point in different directions, in one sentence each.
    """

    schema: Literal["specialize/measured@1"] = "specialize/measured@1"
    build: str = ""
    runtime: str
    threads: int
    parts: tuple[MeasuredPart, ...]
    not_measured: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    def how(self) -> str:
        """Describe the machine's runtime and the runs, for people."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        runs = sorted({part.runs for part in self.parts})
        if not runs:
            return f"{self.runtime}, {threads}, nothing could be measured"
        times = (
            "1 run" if runs == [1] else f"{runs[0]} runs" if len(runs) == 1 else f"{runs[0]}-{runs[-1]} runs"
        )
        return f"{self.runtime}, {threads}, {times} in turn"


def measured_path(folder: Path) -> Path:
    """Return the path of a build's measurement."""
    return folder.parent / f"{folder.name}{SUFFIX}"


def write_measured(folder: Path, digest: str, measured: Measured) -> Measured:
    """Write the measurement next to a build; return it, tied to the build's manifest.

    Args:
        folder: The build.
        digest: Digest of its manifest.
        measured: The measurement.
    """
    tied = msgspec.structs.replace(measured, build=digest)
    text = msgspec.json.format(msgspec.json.encode(tied), indent=2).decode()
    write_file(measured_path(folder), f"{text}\n")
    return tied


def read_measured(folder: Path, digest: str) -> Measured | None:
    """Return the measurement next to a build, or None if there is none, or it is of another build.

    Args:
        folder: The build.
        digest: Digest of its manifest.
    """
    try:
        found = msgspec.json.decode(read_regular(measured_path(folder)), type=Measured)
    except (OSError, InputError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # a build is complete without it
    return found if found.build == digest else None
