"""Convert one model to another number format, repair the result, and check it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx_ir as ir

from specialize.graph.io import read_as_written
from specialize.precision.half import to_half
from specialize.precision.integers import OPERATORS, PER_CHANNEL_OPSET, to_integers, value_ranges
from specialize.precision.keep import kept_nodes, products_of_values
from specialize.precision.repair import name_nodes, require_valid, state_types
from specialize.precision.rounded import computes_in_half
from specialize.targets.base import Int8

HEADROOM = 4.0
"""Factor on the largest observed value that must fit into 16 bits, because other frames have larger values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Converted:
    """A model in another number format.

    Attributes:
        model: The graph, weights in memory.
        nodes: Nodes before.
        kept: Those that stay in float32.
        converted: Whether anything is in the other format; a model may have nothing but places and geometry.
        per_channel: Whether weights have a scale per channel; only of `int8`.
        constant_bytes: Size of all constants.
        constant_bytes_float32: The same before.
    """

    model: ir.Model
    nodes: int
    kept: int
    converted: bool
    per_channel: bool
    constant_bytes: int
    constant_bytes_float32: int


def convert(
    path: Path,
    name: Literal["fp16", "int8"],
    *,
    int8: Int8,
    runnable: Path,
    frames: Iterable[Mapping[str, np.ndarray]],
    bound: Collection[str] = (),
    wide: Collection[str] = (),
) -> Converted:
    """Return a model in 16-bit floats or with 8-bit integers; inputs and outputs keep their types.

    Args:
        path: The model in float32.
        name: `fp16` or `int8`.
        int8: How the target wants integers.
        runnable: The same model in a form that ONNX Runtime runs, for ranges of values.
        frames: Inputs by name, frame by frame, for ranges of values; not read for `fp16`.
        bound: Inputs that hold calibration or tables.
        wide: Tensors whose values leave the range of 16-bit floats: what gives and reads them stays in float32.

    Raises:
        InternalError: A converter left no valid model.
    """
    model = read_as_written(path)
    ir.external_data.load_to_model(model)
    state_types(model)
    name_nodes(model)
    kept = kept_nodes(model, bound) | _beside(model, wide)
    if name == "int8" and int8.weight_bits == 7:
        kept |= products_of_values(model)
    nodes, size = sum(1 for _ in model.graph), _constant_bytes(model)
    if name == "fp16":
        made = to_half(model, kept)
    elif all(node in kept or node.op_type not in OPERATORS for node in model.graph):
        made = model
    else:
        made = to_integers(model, kept, value_ranges(runnable, frames), int8)
    require_valid(made)
    converted = computes_in_half(made) if name == "fp16" else made is not model
    per_channel = name == "int8" and made.graph.opset_imports.get("", 0) >= PER_CHANNEL_OPSET
    return Converted(
        model=made,
        nodes=nodes,
        kept=len(kept),
        converted=converted,
        per_channel=per_channel,
        constant_bytes=_constant_bytes(made),
        constant_bytes_float32=size,
    )


def beyond_half(runnable: Path, frames: Iterable[Mapping[str, np.ndarray]]) -> frozenset[str]:
    """Return the tensors of a float32 model whose values come close to the largest 16-bit float, or are beyond it."""
    model = read_as_written(runnable)
    ranges = value_ranges(runnable, frames, {node.op_type for node in model.graph})
    largest = {
        name: max(abs(float(np.min(limits.range_value[0]))), abs(float(np.max(limits.range_value[1]))))
        for name, limits in ranges.items()
    }
    most = float(np.finfo(np.float16).max) / HEADROOM
    return frozenset(name for name, value in largest.items() if value > most)


def _beside(model: ir.Model, names: Collection[str]) -> frozenset[ir.Node]:
    """Return the nodes that give or read values of these names."""
    wanted = set(names)
    return frozenset(
        node
        for node in model.graph
        if any(value is not None and value.name in wanted for value in (*node.inputs, *node.outputs))
    )


def _constant_bytes(model: ir.Model) -> int:
    values = (value.const_value for value in model.graph.initializers.values())
    return sum(int(tensor.nbytes) for tensor in values if tensor is not None)
