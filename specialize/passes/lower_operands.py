"""Lower operands: write operators of two operands, and Softmax, in the ranks that an NPU keeps.

What: MatMul(x of rank r, weight of rank 2)  ->  the weight with leading axes of size 1, of rank r;
    Mul(x of rank r, y of fewer axes)  ->  y with leading axes of size 1, and so for Add, Sub, Max and Min;
    Div(x, constant)  ->  Mul(x, 1 / constant);
    Softmax along the last axis of fewer than four  ->  along the last of four.
Why it is sound: leading axes of size 1 broadcast; a quotient is a product up to one rounding.
Needs: fold, so that weights are constants.
Declines when: never; what does not fit stays.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace
from specialize.rows.lift import array_of, node_axis

NAME = "lower_operands"
FLOATS = frozenset({"float16", "float32", "float64"})


BROADCAST = frozenset({"Add", "Sub", "Mul", "Max", "Min"})
SOFTMAX_AXES = 4


def lower_operands(model: ir.Model) -> list[Note]:
    """Rewrite operands, quotients and Softmax, in place."""
    counts = {"weights and operands of equal rank": 0, "quotients as products": 0, "Softmax on four axes": 0}
    for node in list(model.graph):
        if node.domain not in STANDARD or not all(value is None or is_static(value) for value in node.inputs):
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        if node.op_type == "Softmax":
            counts["Softmax on four axes"] += _widen_softmax(model, node, builder)
        elif len(node.inputs) == 2:
            counts["quotients as products"] += _multiply(node, builder)
            counts["weights and operands of equal rank"] += _equal_ranks(node, builder)
    if not any(counts.values()):
        return []
    return [
        Note(
            NAME, "applied", "graph", ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        )
    ]


def lower_batched_weights(model: ir.Model) -> list[Note]:
    """Give the weight of every product over a batch the batch's axes, of size 1, in place; other products stay."""
    count = 0
    for node in list(model.graph):
        if node.op_type != "MatMul" or node.domain not in STANDARD or len(node.inputs) != 2:
            continue
        source = node.inputs[0]
        if source is None or not is_static(source) or not any(size > 1 for size in dims(source)[:-2]):
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        count += _equal_ranks(node, builder)
    return [Note(NAME, "applied", "graph", f"{count} weights of products over a batch")] if count else []


def plain_weights(model: ir.Model) -> None:
    """Take the leading axes of size 1 from constant weights of products, in place: what `lower_operands` gives them."""
    for node in model.graph:
        if node.op_type != "MatMul" or node.domain not in STANDARD or node.inputs[0] is None:
            continue
        known = array_of(node.inputs[1])
        if known is None or known.ndim < 3 or set(known.shape[:-2]) != {1} or not is_static(node.inputs[0]):
            continue
        if len(dims(node.inputs[0])) >= known.ndim:
            builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
            node.replace_input_with(1, builder.constant(known.reshape(known.shape[-2:]), "plain"))


def _multiply(node: ir.Node, builder: Builder) -> bool:
    """Write a quotient by a constant as a product."""
    known = array_of(node.inputs[1])
    if node.op_type != "Div" or known is None or known.dtype.name not in FLOATS or not np.all(known != 0):
        return False
    node.op_type = "Mul"
    node.replace_input_with(1, builder.constant(np.reciprocal(known), "reciprocal"))
    return True


def _equal_ranks(node: ir.Node, builder: Builder) -> bool:
    """Give the operand of fewer axes leading axes of size 1: a weight, or what is computed."""
    if node.op_type != "MatMul" and node.op_type not in BROADCAST:
        return False
    highest = max(len(dims(value)) for value in node.inputs if value is not None)
    for place, value in enumerate(node.inputs):
        if value is None or len(dims(value)) == highest:
            continue
        known, shape = array_of(value), (1,) * (highest - len(dims(value))) + dims(value)
        if node.op_type == "MatMul" and known is not None and known.ndim == 2:
            node.replace_input_with(place, builder.constant(known.reshape(shape), "weight"))
            return True
        if node.op_type in BROADCAST and known is None:
            node.replace_input_with(place, builder.reshape(value, shape))
            return True
    return False


def _widen_softmax(model: ir.Model, node: ir.Node, builder: Builder) -> bool:
    """Write a Softmax along the last axis of fewer than four as one along the last of four."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    shape = dims(source)
    if len(shape) >= SOFTMAX_AXES or node_axis(node, -1, len(shape)) != len(shape) - 1:
        return False
    wide = (1,) * (SOFTMAX_AXES - len(shape)) + shape
    made = builder.node("Softmax", [builder.reshape(source, wide)], wide, axis=SOFTMAX_AXES - 1)
    replace(model.graph, result, builder.reshape(made, shape))
    remove_unused(model.graph, node)
    return True
