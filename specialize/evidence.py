"""Evidence for a build: both models run on the same frames, and all forms counted on their real graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialize.flops import FormsReport, compare_forms, count
from specialize.graph.io import read_graph
from specialize.model import ModelSpec
from specialize.modes.binding import Fed
from specialize.sources import PREPARED, Say
from specialize.specializing import Compilation, rebatched
from specialize.verify import (
    Frames,
    Tolerance,
    VerifyReport,
    compare_models,
    make_frames,
    model_inputs,
    require_free,
)


def count_forms(compiled: Compilation) -> FormsReport:
    """Count the zero-padded, re-batched and specialized form, each on its real graph."""
    prepared = compiled.parts / PREPARED
    replaced = frozenset(name for site in compiled.sites for name in site.replaced)
    padded = rebatched(prepared, compiled.constants)
    reports = {
        "zero_padded": count(read_graph(prepared), replaced),
        "rebatched": count(padded.model),
        "specialized": count(compiled.graph),
    }
    pairs = {
        "zero_padded": sum(site.rows_before for site in compiled.sites),
        "rebatched": sum(site.rows_computed for site in padded.sites),
        "specialized": sum(site.rows_computed for site in compiled.sites),
    }
    return compare_forms(reports, pairs)


@dataclass(frozen=True, slots=True)
class Shown(Sequence[Mapping[str, np.ndarray]]):
    """Frames of which each is fed with one of several calibrations, in turn."""

    frames: Sequence[Mapping[str, np.ndarray]] | Frames
    cases: Sequence[Mapping[str, np.ndarray]]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, frame: Any) -> Any:
        return {**self.frames[frame], **self.cases[frame % len(self.cases)]}


def compare_with_original(
    original: Path,
    candidate: Path,
    spec: ModelSpec,
    fed: Fed,
    frames: int,
    seed: int,
    say: Say,
    tolerances: Mapping[str, Tolerance] | None = None,
    given: Sequence[Mapping[str, np.ndarray]] | Frames | None = None,
    runtime: str = "onnxruntime",
) -> VerifyReport:
    """Run both models on seeded frames; each takes what it has as inputs of the calibration and of its tables.

    Frames that are `given` take the place of seeded ones; the candidate runs on `runtime`. Every calibration that is
    fed gets a frame at least, however few frames are asked for.
    """
    frames = max(frames, len(fed.cases)) if given is None else frames
    wanted = model_inputs(original)
    require_free(spec.inputs, wanted, fed.cases[0])
    free = {name: info for name, info in wanted.items() if name not in fed.cases[0]}

    def progress(stage: str, frame: int) -> None:
        say(f"verifying: {stage}, frame {frame + 1} of {frames}")

    shown = Shown(given or make_frames(free, spec.inputs, seed, frames), fed.cases)
    return compare_models(
        original,
        candidate,
        shown,
        tolerances,
        extra_outputs=fed.extra_outputs,
        runtime=runtime,
        progress=progress,
    )
