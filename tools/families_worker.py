"""Run an original and its build in turn and print what that took, as JSON: `python -m tools.families_worker`.

Both run on ONNX Runtime with one thread. Processor time hardly depends on what else the machine does; ratios are
medians round by round. Outputs are compared on two frames of noise, the original fed with the matrices of `truth.py`
beside the export where there is one, and once more with those of another vehicle, for which the build must differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specialize.artifact import Build
from specialize.artifact.build import MODEL
from specialize.bench import Subject, bench_models
from specialize.calibration.load import load_profile
from specialize.compiler.generic import model_again
from specialize.graph.io import read_graph
from specialize.model.spec import ModelSpec, parse_spec
from specialize.passes.bind import feeds_of
from specialize.store import open_store
from specialize.text.progress import quiet
from specialize.verify import make_frames, model_inputs
from specialize.verify.runtime import open_onnxruntime
from tools.forms import processor_times

Arrays = Mapping[str, np.ndarray]
Matrices = Callable[[Path], Arrays]
FRAMES = 2


def compare(export: Path, folder: Path, calib: Path, other: Path, rounds: int) -> dict[str, Any]:
    """Return differences, times and peak memory of an original and its build."""
    build = Build.open(folder)
    spec = parse_spec(build.manifest.spec, "manifest")
    generic = model_again(build.manifest.source, spec, open_store(), quiet)
    with generic.unpacked(open_store()) as parts:
        original = generic.reference(parts)
        matrices, special, by = _truth(export, original, spec)
        frames = _frames(original, spec, matrices(calib), special)
        feeds = [{**frame, **matrices(calib)} for frame in frames]
        subjects = {"original": Subject(original, feeds[0]), "specialized": Subject(folder / MODEL, feeds[0])}
        own, others = _differences(original, folder / MODEL, frames, matrices(calib), matrices(other))
        times = processor_times(subjects, rounds)
        peaks = bench_models(subjects, rounds=1, threads=1, shares=False).forms
    return {
        "matrices": by,
        "difference": own,
        "difference_other": others,
        "milliseconds": {name: round(float(np.median(taken)) * 1e3, 1) for name, taken in times.items()},
        "ratio": round(float(np.median(times["original"] / times["specialized"])), 2),
        "peak_mib": {name: (each.peak_bytes - each.idle_bytes) >> 20 for name, each in peaks.items()},
    }


def _truth(
    export: Path, original: Path, spec: ModelSpec
) -> tuple[Matrices, Mapping[str, Callable[..., Any]], str]:
    """Return what makes the calibration inputs, what makes other inputs, and whose computation it is."""
    shapes = {name: info.shape for name, info in model_inputs(original).items()}
    path = export.with_name("truth.py")
    if not path.is_file():
        graph = read_graph(original)
        return (lambda profile: feeds_of(graph, spec, load_profile(profile))), {}, "specialize"
    sys.path.insert(0, str(path.parent.parent))
    found = importlib.util.spec_from_file_location("truth", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)

    def matrices(profile: Path) -> Arrays:
        made = module.calibration_inputs(str(profile))
        return {name: np.asarray(made[name], np.float32) for name in made if name in shapes}

    return matrices, getattr(module, "SPECIAL", {}), "truth.py"


def _frames(
    original: Path, spec: ModelSpec, given: Arrays, special: Mapping[str, Callable[..., Any]]
) -> list[dict[str, np.ndarray]]:
    """Return frames of noise as verification makes them, inputs that need other values as the truth has them."""
    free = {name: info for name, info in model_inputs(original, given).items() if name not in given}
    frames = [dict(frame) for frame in make_frames(free, spec.inputs, 0, FRAMES)]
    random = np.random.default_rng(0)
    for frame in frames:
        for name, make in special.items():
            if name in frame and name not in spec.inputs:
                frame[name] = np.asarray(make(random, frame[name].shape), frame[name].dtype)
    return frames


def _differences(
    original: Path, specialized: Path, frames: list[dict[str, np.ndarray]], own: Arrays, other: Arrays
) -> tuple[float, float]:
    """Return the largest difference over the largest value of an output, for the vehicle and for another one."""
    first, second = open_onnxruntime(original, 1), open_onnxruntime(specialized, 1)
    results = [0.0, 0.0]
    for frame in frames:
        built = second.run({**frame, **own})
        for place, calibration in enumerate((own, other)):
            try:
                expected = first.run({**frame, **calibration})
            except Exception:  # lengths of the vehicle are in the file: it runs with no other calibration
                results[place] = float("inf")
                continue
            for name, array in expected.items():
                results[place] = max(results[place], _share(array, built[name]))
    return results[0], results[1]


def _share(wanted: np.ndarray, got: np.ndarray) -> float:
    """Return the largest difference over the largest value of one output."""
    if wanted.shape != got.shape:
        return float("inf")
    scale = max(float(np.abs(wanted.astype(np.float64)).max(initial=0.0)), 1e-30)
    return float(np.abs(wanted.astype(np.float64) - got.astype(np.float64)).max(initial=0.0)) / scale


def main() -> None:
    """Print the figures of one export and its build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    asked = parser.parse_args()
    found = compare(asked.export, asked.build, asked.calib, asked.other, asked.rounds)
    print(json.dumps({key: "inf" if value == float("inf") else value for key, value in found.items()}))


if __name__ == "__main__":
    main()
