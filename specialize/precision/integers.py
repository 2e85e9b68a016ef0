"""Convert to 8-bit integers with ONNX Runtime's static quantization, as QuantizeLinear and DequantizeLinear pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from specialize.errors import InternalError
from specialize.files.scratch import temporary_folder
from specialize.graph.ops import of
from specialize.precision.repair import from_converter, to_converter
from specialize.targets.base import Int8

Arrays = Mapping[str, np.ndarray]

OPERATORS = tuple(sorted(of("convolution", "product")))
"""Operators that are quantized."""

PER_CHANNEL_OPSET = 13
"""From this version on, DequantizeLinear takes one scale per channel."""


class _OneFrame:
    """Source of frames for the calibrator: one frame, then none."""

    def __init__(self, frame: Arrays) -> None:
        self._frames = [dict(frame)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the frame, then nothing."""
        return self._frames.pop() if self._frames else None


def value_ranges(runnable: Path, frames: Iterable[Arrays], operators: Collection[str] = OPERATORS) -> Any:
    """Return the least and greatest value of every tensor that quantized operators read or give, over all frames.

    Args:
        runnable: The model in float32, in a form that ONNX Runtime runs.
        frames: Inputs by name; what the model does not have is left out.
        operators: Operators that will be quantized.
    """
    from onnxruntime import quantization

    with temporary_folder("ranges") as folder:
        calibrator = quantization.create_calibrator(
            runnable,
            sorted(operators),
            str(folder / "observed.onnx"),
            quantization.CalibrationMethod.MinMax,
        )
        calibrator.infer_session = _open_observed(calibrator.augmented_model_path)
        wanted = {value.name for value in calibrator.infer_session.get_inputs()}
        for frame in frames:  # one at a time: the calibrator keeps what it is given until it merges it
            calibrator.collect_data(_OneFrame({name: frame[name] for name in sorted(wanted)}))
        return calibrator.compute_data()


def _open_observed(path: str) -> Any:
    """Open a model that also gives the ranges of its tensors, so that each is freed once its range is known.

    In the runtime's usual order ranges come last and every tensor is kept for them: 4.5 GiB for BEVFormer-tiny, not 1.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.enable_cpu_mem_arena = False
    options.enable_mem_reuse = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def to_integers(
    model: ir.Model,
    kept: Collection[ir.Node],
    ranges: Any,
    int8: Int8,
    operators: Collection[str] = OPERATORS,
) -> ir.Model:
    """Return a model whose operators with weights read and give 8-bit integers.

    Weights are symmetric, one scale per channel where the model's opset has that.

    Args:
        model: The graph in float32, its types and shapes known; weights in memory. It is changed.
        kept: Nodes that stay in float32.
        ranges: Of `value_ranges`.
        int8: How the target wants integers. Symmetric activations are int8 around 0, others uint8 with a zero point.
        operators: Operators to quantize.

    Raises:
        InternalError: A weight exceeds the range of the target.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    quantizer = QDQQuantizer(
        to_converter(model),
        model.graph.opset_imports.get("", 0) >= PER_CHANNEL_OPSET,
        int8.weight_bits == 7,  # the converter's `reduce_range`, which leaves activations their 8 bits
        QuantType.QInt8,
        QuantType.QInt8 if int8.symmetric else QuantType.QUInt8,
        ranges,
        [],
        [str(node.name) for node in model.graph if node in kept],
        sorted(operators),
        {"ActivationSymmetric": int8.symmetric, "WeightSymmetric": True},
    )
    quantizer.quantize_model()
    made = from_converter(quantizer.model.model, model)
    if int8.weight_bits == 7:
        _require_range(made, int8.largest_weight)
    return made


def _require_range(model: ir.Model, largest: int) -> None:
    """Check that the second operand of every product of integers is a constant within -`largest` to `largest`.

    Raises:
        InternalError: The converter left a product whose pairs may saturate in 16 bits.
    """
    for node in model.graph:
        pairs = [value.producer() for value in node.inputs[:2] if value is not None]
        if node.op_type not in OPERATORS or any(
            pair is None or pair.op_type != "DequantizeLinear" for pair in pairs
        ):
            continue
        integers = pairs[1].inputs[0].const_value  # type: ignore[union-attr]
        found = None if integers is None else int(np.abs(integers.numpy().astype(np.int64)).max(initial=0))
        if found is None or found > largest:
            where = f"{node.op_type} {node.name}"
            raise InternalError(
                where, f"constant weights up to {largest}", "computed ones" if found is None else str(found)
            )
