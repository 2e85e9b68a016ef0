"""Infer the shapes of a whole file, with the numbers of its shape arithmetic where that is safe.

With these (`data_prop`), ONNX holds each list of N numbers as a shape of N dimensions: tables, and features too, if
they have one axis. A build of a large model has features of two million numbers in a row, which takes 24 GB. So it is
asked without first, and with them only if something is not known yet and no list is long.
"""

from __future__ import annotations

import math

import onnx
from onnx import shape_inference

from specialize.graph.messages import bare, static_types
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
        known = static_types((*found.input, *found.value_info, *found.output))
        made = {name for node in found.node for name in node.output if name}
        if made <= known.keys() or any(len(shape) == 1 and shape[0] > LONG for _, shape in known.values()):
            return found
        return shape_inference.infer_shapes(shown, data_prop=True).graph
    except Exception:  # ONNX raises types of its own
        return model.graph


def _without_tables(model: onnx.ModelProto) -> onnx.ModelProto:
    made = bare(model)
    graph = made.graph
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
