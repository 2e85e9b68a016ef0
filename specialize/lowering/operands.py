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

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.notes import node_name
from specialize.graph.rewrite import Rewritten, Rule
from specialize.graph.shapes import STANDARD, dims, is_static

NAME = "lower_operands"
FLOATS = frozenset({"float16", "float32", "float64"})


BROADCAST = frozenset({"Add", "Sub", "Mul", "Max", "Min"})
SOFTMAX_AXES = 4


def _operands(node: ir.Node, builder: Builder) -> Rewritten | None:
    if not all(value is None or is_static(value) for value in node.inputs):
        return None
    if node.op_type == "Softmax":
        return _widened(node, builder)
    told = []
    if len(node.inputs) == 2:
        told += ["quotients as products"] if _multiply(node, builder) else []
        told += ["weights and operands of equal rank"] if _equal_ranks(node, builder) else []
    return Rewritten(told) if told else None


def _batched_weight(node: ir.Node, builder: Builder) -> Rewritten | None:
    source = node.inputs[0]
    if len(node.inputs) != 2 or source is None or not is_static(source):
        return None
    batched = any(size > 1 for size in dims(source)[:-2])
    return (
        Rewritten(["weights of products over a batch"]) if batched and _equal_ranks(node, builder) else None
    )


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


def _widened(node: ir.Node, builder: Builder) -> Rewritten | None:
    """Write a Softmax along the last axis of fewer than four as one along the last of four."""
    source = node.inputs[0]
    assert source is not None
    shape = dims(source)
    if len(shape) >= SOFTMAX_AXES or node_axis(node, -1, len(shape)) != len(shape) - 1:
        return None
    wide = (1,) * (SOFTMAX_AXES - len(shape)) + shape
    made = builder.node("Softmax", [builder.reshape(source, wide)], wide, axis=SOFTMAX_AXES - 1)
    return Rewritten(["Softmax on four axes"], [made])


OPERANDS = Rule(name=NAME, rewrite=_operands, counted=True)
"""Operands of equal rank, products instead of quotients, Softmax on four axes."""

BATCHED_WEIGHTS = Rule(name=NAME, operators={"MatMul"}, rewrite=_batched_weight, counted=True)
"""The weight of every product over a batch gets the batch's axes, of size 1; other products stay."""
