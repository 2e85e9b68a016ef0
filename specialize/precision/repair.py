"""The way to ONNX Runtime's converters and back: names for every node, and order, types and cleanliness after."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from specialize.errors import InternalError
from specialize.graph.shapes import is_static, remove_dead


def name_nodes(model: ir.Model) -> None:
    """Give every node a name of its own: converters are told by name what to leave alone."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph):
        name = node.name or f"{node.op_type}_{number}"
        while name in taken:
            name = f"{name}_{number}"
        node.name = name
        taken.add(name)


def to_converter(model: ir.Model) -> onnx.ModelProto:
    """Return what converters take: they know the type of no value that the file does not state."""
    for node in model.graph:
        for value in node.outputs:
            if value.name and (value.dtype is None or value.shape is None):
                raise InternalError(f"value {value.name}", "a known type and shape", "neither")
    return ir.to_proto(model)


def from_converter(made: onnx.ModelProto, original: ir.Model) -> ir.Model:
    """Return a converter's model with the original's metadata, sorted, without what nobody reads.

    Raises:
        InternalError: The converter left a graph that is none.
    """
    _drop_repeated_infos(made.graph)
    model = ir.from_proto(made)
    model.metadata_props.clear()
    model.metadata_props.update(original.metadata_props)
    model.graph.metadata_props.clear()
    model.graph.metadata_props.update(original.graph.metadata_props)
    try:
        model.graph.sort()
    except ValueError as error:
        raise InternalError("converted model", "a graph without cycles", str(error)) from error
    remove_dead(model.graph)
    for node in model.graph:
        _state_pair(node)
    return model


def require_valid(model: ir.Model) -> None:
    """Check a converted model: types and shapes of all values, and onnx's own rules.

    Raises:
        InternalError: The conversion broke the model.
    """
    for node in model.graph:
        loose = next((value for value in node.outputs if value.name and not is_static(value)), None)
        if loose is not None:
            raise InternalError(f"value {loose.name}", "a shape made of numbers", str(loose.shape))
    try:
        onnx.checker.check_model(ir.to_proto(model), full_check=False)
    except onnx.checker.ValidationError as error:
        raise InternalError("converted model", "a valid ONNX model", str(error).strip()) from error


def _state_pair(node: ir.Node) -> None:
    """State type and shape of what the quantizer inserts; it states neither."""
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.inputs[0] is None:
        return
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    integer = zero.dtype if zero is not None and zero.dtype is not None else ir.DataType.UINT8
    kind = integer if node.op_type == "QuantizeLinear" else ir.DataType.FLOAT
    node.outputs[0].type = ir.TensorType(kind)
    node.outputs[0].shape = node.inputs[0].shape


def _drop_repeated_infos(graph: onnx.GraphProto) -> None:
    seen: set[str] = set()
    for info in list(graph.value_info):
        if info.name in seen:
            graph.value_info.remove(info)
        seen.add(info.name)
