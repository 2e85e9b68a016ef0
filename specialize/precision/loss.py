"""Measure the loss of a conversion: compare the converted model with the verified float32 model, output by output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnx_ir as ir

from specialize.artifact.precision import MeasuredOn, OutputLoss, TargetLoss
from specialize.errors import VerificationError
from specialize.graph.custom import is_foreign
from specialize.graph.io import read_as_written, write_graph
from specialize.precision.rounded import computes_in_half, rounded
from specialize.targets.lower import runnable_copy
from specialize.verify import TOLERANCES, OutputReport, Tolerance, compare_models, open_model
from specialize.verify.machine import architecture, is_installed, processor_features, version_of

ANYTHING = Tolerance(sys.float_info.max, 0.0)
"""Tolerance that any finite number passes, because a loss is measured, not judged."""

SLACK = 2.0
"""Multiple of the measured loss that is allowed on other frames of the same kind, or with other kernels, because the
largest of many differences varies.
"""

Arrays = Mapping[str, np.ndarray]
Progress = Callable[[str, int], None]
Integers = Literal["", "as written", "kernels"]


class NotFiniteError(VerificationError):
    """An output of a converted model is NaN or infinite."""


def measure(
    float32: Path,
    converted: Path,
    frames: Sequence[Arrays],
    outputs: Iterable[str],
    progress: Progress = lambda stage, frame: None,
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
    for name, output in report.outputs.items():
        if not output.passed:
            hint = "values exceed the range of the number format: keep this model in float32, or try the other one"
            raise NotFiniteError(f"converted model: output {name!r}", "finite numbers", output.reason, hint)
    return {name: _loss(output) for name, output in report.outputs.items()}


def measure_on_target(
    float32: Path,
    converted: Path,
    frames: Sequence[Arrays],
    written: Mapping[str, OutputLoss],
    runtime: str,
    progress: Progress = lambda stage, frame: None,
) -> TargetLoss:
    """Run a model in 8 bits on the runtime that it is for, with its kernels; return the loss there.

    Args:
        float32: The model before conversion, in a form that ONNX Runtime runs.
        converted: The model after it.
        frames: Inputs by name, frame by frame.
        written: The loss of the model as it is written, by output.
        runtime: A key of `RUNTIMES`.
        progress: As for `measure`.

    Raises:
        VerificationError: The runtime does not take the model, or an output is farther from float32 than `allowed`.
    """
    tolerances = {name: allowed(loss) for name, loss in written.items()}
    report = compare_models(float32, converted, frames, tolerances, runtime=runtime, progress=progress)
    failed = next((name for name, output in report.outputs.items() if not output.passed), None)
    if report.problems or failed is not None:
        where = f"int8 model on {runtime}" + (f": output {failed!r}" if failed else "")
        found = (
            "; ".join(report.problems)
            if failed is None
            else f"{report.outputs[failed].max_abs:.3g} from float32, {report.outputs[failed].reason}"
        )
        expected = f"at most {SLACK:g} times the loss of the model as it is written"
        expected += f", {written[failed].max_abs:.3g}" if failed is not None else ""
        hint = "the runtime's kernels compute other results than the file says: use fp16 or float32 for this target"
        raise VerificationError(where, expected, found, hint)
    return TargetLoss(
        measured_on=measured_on(runtime, report.kernels),
        outputs={name: _loss(output) for name, output in report.outputs.items()},
    )


def allowed(loss: OutputLoss) -> Tolerance:
    """Return the allowed difference from float32 of a model that was measured to lose this much."""
    rounding = TOLERANCES["float32"]
    return msgspec.structs.replace(rounding, atol=rounding.atol + SLACK * loss.max_abs)


def measured_on(runtime: str, kernels: tuple[str, ...] = (), integers: Integers = "kernels") -> MeasuredOn:
    """Return what a loss is measured on here.

    Args:
        runtime: A key of `RUNTIMES`.
        kernels: Kernels of 8 bits that the runtime named.
        integers: How integers are computed.
    """
    package = runtime.partition("-")[0]
    return MeasuredOn(
        runtime=package,
        version=version_of(package),
        integers=integers,
        kernels=kernels,
        architecture=architecture(),
        features=processor_features(),
    )


def runs_here(runtime: str) -> bool:
    """Return whether a target's runtime, a key of `RUNTIMES` or empty, is known and installed."""
    return bool(runtime) and is_installed(runtime.partition("-")[0])


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
        max_abs=float(output.max_abs),
        max_rel=output.max_rel,
        cosine=float(output.cosine),
        frame=output.worst.frame,
        index=output.worst.index,
    )
