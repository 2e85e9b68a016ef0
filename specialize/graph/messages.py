"""Read and make ONNX files as messages, whose weights stay in their files."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

Static = tuple[int, tuple[int, ...]]
"""Element type and shape of a value all of whose dimensions are numbers."""


def bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with an empty graph, of the same operator sets and functions."""
    made = onnx.ModelProto(ir_version=model.ir_version)
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.name = model.graph.name or "part"
    return made


def static_types(values: Iterable[onnx.ValueInfoProto]) -> dict[str, Static]:
    """Return the types of values by name, without those of which a dimension or the element type is unknown."""
    found: dict[str, Static] = {}
    for value in values:
        tensor = value.type.tensor_type
        if (
            tensor.elem_type
            and tensor.HasField("shape")
            and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
        ):
            found[value.name] = tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim)
    return found
