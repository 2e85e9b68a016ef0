"""Prepare models for ONNX Runtime's converters and repair their results: node names, order, types, unused values."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from specialize.errors import InternalError
from specialize.graph import folding
from specialize.graph.io import with_domains
from specialize.graph.shapes import is_static
from specialize.graph.subgraphs import remove_dead


def name_nodes(model: ir.Model) -> None:
    """Give every node a unique name, because converters exclude nodes by name."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph):
        name = node.name or f"{node.op_type}_{number}"
        while name in taken:
            name = f"{name}_{number}"
        node.name = name
        taken.add(name)


def state_types(model: ir.Model) -> None:
    """Infer types and shapes if a value lacks them: converters state none for what they insert."""
    values = (value for node in model.graph for value in node.outputs if value.name)
    if any(value.dtype is None or value.shape is None for value in values):
        folding.evaluate(model)


def to_converter(model: ir.Model) -> onnx.ModelProto:
    """Return what converters take: the type of every value that a node gives is stated, that of no constant.

    A constant whose type is stated is cast for nodes that stay in float32, as if it had been converted.
    """
    for node in model.graph:
        for value in node.outputs:
            if value.name and (value.dtype is None or value.shape is None):
                raise InternalError(f"value {value.name}", "a known type and shape", "neither")
    proto = ir.to_proto(model)
    constants = {tensor.name for tensor in proto.graph.initializer}
    stated = [info for info in proto.graph.value_info if info.name not in constants]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(stated)
    return proto


def from_converter(made: onnx.ModelProto, original: ir.Model) -> ir.Model:
    """Return a converter's model with the original's metadata, sorted, without what is unused.

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
    state_types(model)
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
        onnx.checker.check_model(with_domains(model), full_check=False)
    except onnx.checker.ValidationError as error:
        raise InternalError("converted model", "a valid ONNX model", str(error).strip()) from error


def _drop_repeated_infos(graph: onnx.GraphProto) -> None:
    """Keep the last statement about a value: converters append theirs."""
    last = {info.name: info for info in graph.value_info}
    del graph.value_info[:]
    graph.value_info.extend(last.values())
