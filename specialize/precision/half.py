"""Convert to 16-bit floats with ONNX Runtime's converter, without rounding values that must not be rounded.

By itself, the converter rounds values that it was told to leave: a constant that both kinds of nodes read becomes 16
bits for both, and between two nodes that stay in float32 it casts to 16 bits and back. Both are repaired here.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
import onnx_ir as ir

from specialize.graph.rewrite import replace
from specialize.graph.subgraphs import fresh_name
from specialize.precision.repair import from_converter, to_converter

_FLOAT, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def to_half(model: ir.Model, kept: Collection[ir.Node]) -> ir.Model:
    """Return a model that computes in 16-bit floats; inputs and outputs stay as they are.

    Args:
        model: The graph in float32, its types and shapes known; weights in memory. It is changed.
        kept: Nodes that stay in float32, beyond those that the converter does not convert.
    """
    from onnxruntime.transformers import float16

    stay = {node for node in model.graph if node in kept or node.op_type in float16.DEFAULT_OP_BLOCK_LIST}
    _separate_constants(model, stay)
    converted = float16.convert_float_to_float16(
        to_converter(model),
        keep_io_types=True,
        disable_shape_infer=True,
        op_block_list=[],
        node_block_list=[str(node.name) for node in stay],
    )
    _drop_repeated_casts(converted.graph)
    made = from_converter(converted, model)
    _join_casts(made)
    return made


def _separate_constants(model: ir.Model, stay: Collection[ir.Node]) -> None:
    """Give nodes that stay their own copy of every float constant that others read too."""
    for value in list(model.graph.initializers.values()):
        if value.dtype != _FLOAT:
            continue
        uses = [(use.node, use.idx) for use in value.uses()]
        own = [(node, place) for node, place in uses if node in stay]
        if not own or len(own) == len(uses):
            continue
        name = fresh_name(model.graph, f"{value.name}_float32")
        copy = ir.Value(name=name, const_value=value.const_value, type=value.type, shape=value.shape)
        model.graph.register_initializer(copy)
        for node, place in own:
            node.replace_input_with(place, copy)


def _drop_repeated_casts(graph: onnx.GraphProto) -> None:
    """Remove casts that are there twice: the converter makes one for every reader, all with the same result."""
    seen: set[str] = set()
    nodes = []
    for node in graph.node:
        if node.op_type != "Cast" or node.output[0] not in seen:
            nodes.append(node)
        seen.update(node.output)
    del graph.node[:]
    graph.node.extend(nodes)


def _join_casts(model: ir.Model) -> None:
    """Let nodes in float32 read each other directly, where the converter casts to 16 bits and back."""
    for node in list(model.graph):
        source = node.inputs[0] if node.op_type == "Cast" and node.inputs else None
        inner = source.producer() if source is not None else None
        if source is None or inner is None or inner.op_type != "Cast":
            continue
        origin = inner.inputs[0]
        kinds = (origin.dtype if origin is not None else None, source.dtype, node.outputs[0].dtype)
        if origin is not None and kinds == (_FLOAT, _HALF, _FLOAT):
            replace(model.graph, node.outputs[0], origin)
            model.graph.remove(node, safe=True)
            if not source.uses() and not source.is_graph_output():
                model.graph.remove(inner, safe=True)
