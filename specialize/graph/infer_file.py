"""Infer the shapes of a whole file, with the numbers of its shape arithmetic where that is safe.

With these (`data_prop`), ONNX holds each list of N numbers as a shape of N dimensions: tables, and features too, if
they have one axis. A build of a large model has features of two million numbers in a row, which takes 24 GB. So it is
asked without first, and with them only if something is not known yet and no list is long.
"""

from __future__ import annotations

import math

import onnx
from onnx import shape_inference

from specialize.graph.shapes import MOST_DATA

LONG = 1 << 12
"""Numbers of a list that is too long for a shape."""


def infer_file(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return a graph with the nodes of a model's and its values' types; tables are inputs there.

    Where ONNX can infer nothing, because a graph is too large for a message or has an operator that it does not know,
    the values are those that the model itself has.
    """
    shown = _without_tables(model)
    try:
        found = shape_inference.infer_shapes(shown).graph
        shapes = _shapes(found)
        made = [name for node in found.node for name in node.output if name]
        if all(shapes.get(name) is not None for name in made) or any(map(_is_long, shapes.values())):
            return found
        return shape_inference.infer_shapes(shown, data_prop=True).graph
    except Exception:  # ONNX raises types of its own
        return model.graph


def _without_tables(model: onnx.ModelProto) -> onnx.ModelProto:
    made = onnx.ModelProto(ir_version=model.ir_version)
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    graph = made.graph
    graph.name = model.graph.name or "graph"
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    known = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= MOST_DATA:
            graph.initializer.append(tensor)
        elif tensor.name not in known:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return made


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of each value, None where a dimension is not known."""
    found: dict[str, tuple[int, ...] | None] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
        found[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim) if known else None
    return found


def _is_long(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 1 and shape[0] > LONG
