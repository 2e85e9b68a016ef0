"""Evidence for a build: both models run on the same frames, and all forms counted on their real graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from specialize.calibration.profile import CalibrationProfile
from specialize.flops import FormsReport, compare_forms, count
from specialize.graph.io import read_graph
from specialize.model import ModelSpec
from specialize.passes.bind import fit
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from specialize.sources import PREPARED, Say
from specialize.specializing import Compilation, bound_constants
from specialize.verify import TensorInfo, VerifyReport, compare_models, make_frames, model_inputs


def count_forms(compiled: Compilation) -> FormsReport:
    """Count the zero-padded, re-batched and specialized form, each on its real graph."""
    prepared = compiled.parts / PREPARED
    replaced = frozenset(name for site in compiled.sites for name in site.replaced)
    rebatched = specialize_graph(read_graph(prepared), compiled.constants, Packing("padded"))
    reports = {
        "zero_padded": count(read_graph(prepared), replaced),
        "rebatched": count(rebatched.model),
        "specialized": count(compiled.graph),
    }
    pairs = {
        "zero_padded": sum(site.rows_before for site in compiled.sites),
        "rebatched": sum(site.rows_computed for site in rebatched.sites),
        "specialized": sum(site.rows_computed for site in compiled.sites),
    }
    return compare_forms(reports, pairs)


def compare_with_original(
    original: Path,
    candidate: Path,
    spec: ModelSpec,
    profile: CalibrationProfile,
    frames: int,
    seed: int,
    say: Say,
) -> VerifyReport:
    """Run both models on seeded frames; the original gets the calibration as an input."""
    wanted = model_inputs(original)
    constants = _fed(bound_constants(spec, profile), wanted)
    free = {name: info for name, info in wanted.items() if name not in constants}
    rules = {name: rule for name, rule in spec.inputs.items() if name in free}

    def progress(stage: str, frame: int) -> None:
        say(f"verifying: {stage}, frame {frame + 1} of {frames}")

    shown = make_frames(free, rules, seed, frames)
    return compare_models(original, candidate, shown, constants=constants, progress=progress)


def _fed(arrays: dict[str, np.ndarray], wanted: dict[str, TensorInfo]) -> dict[str, np.ndarray]:
    return {
        name: fit(array, wanted[name].shape, np.dtype(wanted[name].dtype), name)
        for name, array in arrays.items()
    }
