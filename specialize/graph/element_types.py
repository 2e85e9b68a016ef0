"""Element types of the values of a graph, from operator schemas alone: no shape is inferred and nothing is computed."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import onnx_ir as ir

from specialize.graph.subgraphs import subgraphs

_STANDARD = ("", "ai.onnx")
_SAME_AS_FIRST = ("com.microsoft",)
"""Domains of operators without a schema here whose result is of the type of their first input."""

Types = dict[ir.Value, ir.DataType]


def element_types(model: ir.Model) -> Types:
    """Return the element type of every value for which it follows from types of inputs and constants.

    Values inside subgraphs are included. An output of an operator that is not known has no entry.
    """
    types: Types = {}
    opset = model.graph.opset_imports.get("", 1)
    _declared(types, [*model.graph.inputs, *model.graph.initializers.values()])
    _walk(model.graph, opset, types)
    return types


def _walk(graph: ir.Graph, opset: int, types: Types) -> None:
    for node in graph:
        for inner in subgraphs(node):
            _declared(types, [*inner.inputs, *inner.initializers.values()])
            _walk(inner, opset, types)
        _declared(types, node.outputs)
        for index, value in enumerate(node.outputs):
            if value not in types and (found := _type_of(node, index, opset, types)) is not None:
                types[value] = found


def _declared(types: Types, values: Iterable[ir.Value]) -> None:
    """Add the types that the file states, or that a constant has."""
    for value in values:
        known = value.const_value.dtype if value.const_value is not None else value.dtype
        if known is not None:
            types[value] = known


def _type_of(node: ir.Node, index: int, opset: int, types: Types) -> ir.DataType | None:
    """Return the element type of one output of a node."""
    if node.domain not in _STANDARD:
        first = node.inputs[0] if node.inputs else None
        return types.get(first) if node.domain in _SAME_AS_FIRST and first is not None else None
    if node.op_type in ("Constant", "ConstantOfShape"):
        value = node.attributes.get("value")
        return ir.DataType.FLOAT if value is None else value.as_tensor().dtype
    if node.op_type in ("Cast", "EyeLike", "RandomNormal", "RandomUniform") and "dtype" in node.attributes:
        return ir.DataType(node.attributes["dtype"].as_int())
    if node.op_type == "Cast":
        return ir.DataType(node.attributes["to"].as_int())
    branches = subgraphs(node)
    if branches:
        results = [graph.outputs[index] for graph in branches if index < len(graph.outputs)]
        return next((types[value] for value in results if value in types), None)
    return _by_schema(node, index, opset, types)


def _by_schema(node: ir.Node, index: int, opset: int, types: Types) -> ir.DataType | None:
    """Return the type that the operator's definition gives an output: a fixed one, or that of an input."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    if not schema.outputs:
        return None
    letter = schema.outputs[min(index, len(schema.outputs) - 1)].type_str
    for place, value in enumerate(node.inputs):
        if value in types and schema.inputs[min(place, len(schema.inputs) - 1)].type_str == letter:
            return types[value]
    allowed = next(
        (each.allowed_type_strs for each in schema.type_constraints if each.type_param_str == letter), []
    )
    concrete = allowed[0] if len(allowed) == 1 else letter
    inner = concrete.removeprefix("tensor(").removesuffix(")")
    return _NAMED.get(inner)


_NAMED = {
    "bool": ir.DataType.BOOL,
    "double": ir.DataType.DOUBLE,
    "float": ir.DataType.FLOAT,
    "int32": ir.DataType.INT32,
    "int64": ir.DataType.INT64,
}
