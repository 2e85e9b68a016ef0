"""Write a 16-bit model such that a runtime on a CPU rounds every result to 16 bits.

ONNX Runtime has few kernels for 16-bit floats on a CPU. It computes such nodes in float32 and passes the unrounded
values on, so that a model that overflows in 16 bits gives good numbers there. Here everything is float32, and the
result of every node that computes in 16 bits is cast to 16 bits and back, which the runtime does not optimise away.
Within a node, sums are accumulated in float32, as on chips that multiply in 16 bits.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.views import MOVES

_FLOAT, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def computes_in_half(model: ir.Model) -> bool:
    """Return whether a model has values in 16-bit floats."""
    return any(value.dtype == _HALF for node in model.graph for value in node.outputs)


def rounded(model: ir.Model) -> ir.Model:
    """Return a copy in float32 that rounds wherever a model computes in 16 bits."""
    copy = model.clone()
    for value in copy.graph.initializers.values():
        if value.dtype == _HALF and value.const_value is not None:
            value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32))
            value.type = ir.TensorType(_FLOAT)
    for node in list(copy.graph):
        _widen_attributes(node)
        for value in node.outputs:
            if value.dtype == _HALF:
                value.type = ir.TensorType(_FLOAT)
                if node.op_type not in MOVES:
                    _round(copy.graph, node, value)
    return copy


def _widen_attributes(node: ir.Node) -> None:
    """Write constants within nodes in float32."""
    for name, attribute in list(node.attributes.items()):
        if attribute.type == ir.AttributeType.TENSOR and attribute.value.dtype == _HALF:
            wide = ir.tensor(attribute.value.numpy().astype(np.float32))
            node.attributes[name] = ir.AttrTensor(name, wide)


def _round(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let readers of a value read it rounded to 16 bits."""
    narrow = ir.node("Cast", [value], {"to": _HALF.value}, name=f"{value.name}_narrow")
    wide = ir.node("Cast", [narrow.outputs[0]], {"to": _FLOAT.value}, name=f"{value.name}_wide")
    for made, kind in ((narrow, _HALF), (wide, _FLOAT)):
        made.outputs[0].name = f"{made.name}/out"
        made.outputs[0].type = ir.TensorType(kind)
        made.outputs[0].shape = value.shape
    if node.op_type == "Cast":
        node.attributes["to"] = ir.AttrInt64("to", _FLOAT.value)
    was_output = value.is_graph_output()
    assert not was_output, "outputs keep their type"
    readers = list(value.uses())
    for use in readers:
        use.node.replace_input_with(use.idx, wide.outputs[0])
    graph.insert_after(node, [narrow, wide])
    narrow.replace_input_with(0, value)
