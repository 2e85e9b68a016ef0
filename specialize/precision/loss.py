"""What a conversion loses: the converted model against the float32 model that was proven, output by output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.artifact.precision import OutputLoss
from specialize.errors import VerificationError
from specialize.graph.custom import is_foreign
from specialize.graph.io import read_as_written, write_graph
from specialize.precision.rounded import computes_in_half, rounded
from specialize.targets.finish import runnable_copy
from specialize.verify import OutputReport, Tolerance, compare_models, open_model
from specialize.verify.report import plain

ANYTHING = Tolerance(sys.float_info.max, 0.0)
"""Any finite number passes: a loss is measured, not judged."""

Arrays = Mapping[str, np.ndarray]


class NotFiniteError(VerificationError):
    """An output of a converted model is NaN or infinite."""


def measure(
    float32: Path,
    converted: Path,
    frames: Sequence[Arrays],
    outputs: Iterable[str],
    progress: Callable[[str, int], None] = lambda stage, frame: None,
) -> dict[str, OutputLoss]:
    """Run both models on every frame and return the loss of each output, by name.

    Args:
        float32: The model before conversion, in a form that ONNX Runtime runs.
        converted: The model after it, likewise (see `measurable`).
        frames: Inputs by name, frame by frame.
        outputs: Names of the outputs.
        progress: Called with `reference` or `candidate` and the frame's number before each run.

    Raises:
        NotFiniteError: An output is NaN or infinite.
        VerificationError: The models cannot be compared.
    """
    allowed = dict.fromkeys(outputs, ANYTHING)
    report = compare_models(float32, converted, frames, allowed, progress=progress)
    if report.problems:
        raise VerificationError(
            "converted model", "the outputs of the float32 model", "; ".join(report.problems)
        )
    for output in report.outputs:
        if not output.passed:
            hint = "values leave the range of the number format: keep this model in float32, or use the other precision"
            raise NotFiniteError(
                f"converted model: output {output.name!r}", "finite numbers", output.reason, hint
            )
    return {output.name: _loss(output) for output in report.outputs}


def measurable(path: Path, folder: Path) -> Path:
    """Return a file that computes on ONNX Runtime what a converted model says, written to a folder if need be.

    Custom operators are written out, and results in 16 bits are really rounded.

    Raises:
        InputError: ONNX Runtime does not open the converted model itself.
    """
    model = read_as_written(path)
    foreign = any(is_foreign(node) for node in model.graph)
    if not foreign and not computes_in_half(model):
        return path
    ir.external_data.load_to_model(model)
    if foreign:
        model = runnable_copy(model)
    else:
        open_model(path, "onnxruntime", 1)
    if computes_in_half(model):
        model = rounded(model)
    written = folder / "measurable.onnx"
    write_graph(model, written, "measurable.bin")
    return written


def _loss(output: OutputReport) -> OutputLoss:
    return OutputLoss(
        max_abs=output.max_abs,
        max_rel=plain(output.max_rel),
        cosine=output.cosine,
        frame=output.worst_frame,
        index=output.worst_index,
    )
