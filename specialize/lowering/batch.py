"""Lower batch: give work on rows an axis of size 1 in front, so that rows are not taken for a batch.

What: Add(x [rows, a, b], y)  ->  Reshape(Add(Reshape(x, [1, rows, a, b]), y)), and so for every operator on elements,
    Transpose and Softmax; of four axes, Softmax along the last, and a Transpose that moves rows and keeps the last.
Why it is sound: an axis of size 1 in front changes no element, and broadcasting aligns axes from behind; adjacent axes
    that are treated alike are one, and an order of axes may be reached in two steps.
Needs: static shapes; then tidy, which makes one Reshape of two.
Declines when: the first axis is short; an operator on four axes has no rule.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.nodes import node_axis
from specialize.graph.ops import BY_ELEMENT, permutation
from specialize.graph.rewrite import Rewritten, Rule
from specialize.graph.shapes import dims, is_static

NAME = "lower_batch"
AXES, MOST_AXES = 3, 4
LONGEST = 64
"""First axes up to this length stay: cameras, heads, and both together are a batch."""

SWAP = [0, 2, 1, 3]


def _with_axis_in_front(node: ir.Node, builder: Builder) -> Rewritten | None:
    if not _is_long(node):
        return None
    three = len(dims(node.outputs[0])) == AXES
    made = _of_three(builder, node) if three else _of_four(builder, node)
    return None if made is None else Rewritten(["operators with an axis in front"], [made])


def _is_long(node: ir.Node) -> bool:
    """Return whether a computed operand or the result of three or four axes has a long first one."""
    values = [*node.outputs, *(value for value in node.inputs if value is not None)]
    if len(node.outputs) != 1 or not all(is_static(value) for value in values):
        return False
    rank = len(dims(node.outputs[0]))
    computed = [value for value in values if value.const_value is None and len(dims(value)) == rank]
    return AXES <= rank <= MOST_AXES and any(dims(value)[0] > LONGEST for value in computed)


def _of_three(builder: Builder, node: ir.Node) -> ir.Value | None:
    shape = [1, *dims(node.outputs[0])]
    if node.op_type == "Transpose":
        (inputs, order) = ([_in_front(builder, node.inputs[0])], _order(node))
        return builder.node("Transpose", inputs, shape, perm=[0, *(place + 1 for place in order)])
    if node.op_type == "Softmax":
        axis = node_axis(node, -1, AXES) + 1
        return builder.node("Softmax", [_in_front(builder, node.inputs[0])], shape, axis=axis)
    if node.op_type not in BY_ELEMENT:
        return None
    return builder.copy(node, [_in_front(builder, value) for value in node.inputs], shape)


def _in_front(builder: Builder, value: ir.Value | None) -> ir.Value | None:
    """Return a tensor of three axes with one more in front; others are broadcast as they are."""
    if value is None or len(dims(value)) != AXES:
        return value
    known = value.const_value
    if known is not None:
        return builder.constant(known.numpy()[None], "in_front")
    return builder.reshape(value, [1, *dims(value)])


def _of_four(builder: Builder, node: ir.Node) -> ir.Value | None:
    source = node.inputs[0]
    if node.op_type not in ("Softmax", "Transpose") or source is None:
        return None
    rows, a, b, c = dims(source)
    if node.op_type == "Softmax" and node_axis(node, -1, MOST_AXES) == MOST_AXES - 1:
        return builder.node(
            "Softmax", [builder.reshape(source, [1, rows, a * b, c])], [1, rows, a * b, c], axis=3
        )
    order = _order(node) if node.op_type == "Transpose" else []
    if order == [1, 0, 2, 3]:
        return _swap(builder, source, rows, a, b * c)
    if order == [1, 2, 0, 3]:
        return _swap(builder, source, rows, a * b, c)
    if order == [2, 0, 1, 3]:
        return _swap(builder, source, rows * a, b, c)
    if order == [2, 1, 0, 3]:
        return _swap(builder, _swap(builder, source, rows, a * b, c), a, b, rows * c)
    return None


def _swap(builder: Builder, value: ir.Value, first: int, second: int, kept: int) -> ir.Value:
    """Return a tensor read as [1, first, second, kept] with the two in the middle exchanged."""
    read = builder.reshape(value, [1, first, second, kept])
    return builder.node("Transpose", [read], [1, second, first, kept], perm=SWAP)


def _order(node: ir.Node) -> list[int]:
    return list(permutation(node, len(dims(node.outputs[0]))))


AXIS_IN_FRONT = Rule(name=NAME, rewrite=_with_axis_in_front, counted=True)
"""Every such operator whose first axis is long gets an axis of size 1 in front.

Compilers for chips read three axes as batch, channel and column, and write commands for each item of a batch: those of
one sampling grid of 3600 rows took 2.5 MB of a file.
"""
