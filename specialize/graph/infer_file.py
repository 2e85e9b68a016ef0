"""Infer the shapes of a whole file, with the numbers of its shape arithmetic where that is safe.

With these (`data_prop`), ONNX holds each list of N numbers as a shape of N dimensions: tables, and features too, if
they have one axis. A build of a large model has features of two million numbers in a row, which takes 24 GB. So it is
asked without first, and with them only if something is not known yet and no list is long.
"""

from __future__ import annotations

import math

import onnx
import onnx_ir as ir
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


def infer_in_place(model: ir.Model) -> None:
    """Give the tensors of a graph the types and shapes that `infer_file` finds; weights are not read."""
    graph = model.graph
    shown = onnx.ModelProto(ir_version=model.ir_version)
    shown.opset_import.extend(onnx.helper.make_opsetid(*each) for each in graph.opset_imports.items())
    values = {str(value.name): value for node in graph for value in node.outputs if value.name}
    shown.graph.node.extend(map(ir.to_proto, graph))
    shown.graph.input.extend(map(ir.to_proto, graph.inputs))
    shown.graph.output.extend(map(ir.to_proto, graph.outputs))
    shown.graph.value_info.extend(ir.to_proto(value) for value in values.values() if value.type is not None)
    for name, value in graph.initializers.items():
        if value.const_value is not None and value.const_value.size <= MOST_DATA:
            shown.graph.initializer.append(ir.to_proto(value.const_value))
            shown.graph.initializer[-1].name = name
        else:
            shown.graph.input.append(ir.to_proto(value))
    found = infer_file(shown)
    for info in (*found.value_info, *found.output):
        made, kind = values.get(info.name), info.type.tensor_type
        if made is not None and kind.elem_type:  # not that of a sequence
            made.type = ir.TensorType(ir.DataType(kind.elem_type))
            if kind.HasField("shape"):
                made.shape = ir.serde.deserialize_type_proto_for_shape(info.type)


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
