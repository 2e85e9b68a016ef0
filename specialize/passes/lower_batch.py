"""Lower batch: give work on rows an axis of size 1 in front, so that rows are not taken for a batch.

What: Add(x [rows, a, b], y)  ->  Reshape(Add(Reshape(x, [1, rows, a, b]), y)), and so for every operator on elements,
    Transpose and Softmax.
Why it is sound: an axis of size 1 in front changes no element, and broadcasting aligns axes from behind.
Needs: static shapes; then tidy, which makes one Reshape of two.
Declines when: the tensor has other than three axes, or its first is short.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace
from specialize.rows.lift import node_axis
from specialize.rows.lift_work import ALL_ZERO, ANY_ZERO, KEEPS_ZERO, OTHER_ELEMENTWISE, OTHER_UNARY

NAME = "lower_batch"
AXES = 3
LONGEST = 64
"""First axes up to this length stay: cameras, heads, and both together are a batch."""

ELEMENTWISE = ANY_ZERO | ALL_ZERO | KEEPS_ZERO | OTHER_ELEMENTWISE | OTHER_UNARY
TAKEN = ELEMENTWISE | {"Transpose", "Softmax"}


def lower_batch(model: ir.Model) -> list[Note]:
    """Rewrite every such operator whose first axis is long, in place.

    Compilers for chips read three axes as batch, channel and column, and write commands for each item of a batch:
    those of one sampling grid of 3600 rows took 2.5 MB of a file.
    """
    count = 0
    for node in list(model.graph):
        if not _is_long(node):
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        inputs = [_in_front(builder, value) for value in node.inputs]
        shape = dims(node.outputs[0])
        made = _written(builder, node, inputs, [1, *shape])
        replace(model.graph, node.outputs[0], builder.reshape(made, shape))
        remove_unused(model.graph, node)
        count += 1
    return [Note(NAME, "applied", "graph", f"{count} operators with an axis in front")] if count else []


def _is_long(node: ir.Node) -> bool:
    if node.op_type not in TAKEN or node.domain not in STANDARD or len(node.outputs) != 1:
        return False
    values = [*node.outputs, *(value for value in node.inputs if value is not None)]
    if not all(is_static(value) and len(dims(value)) <= AXES for value in values):
        return False
    long = [value for value in values if value.const_value is None and len(dims(value)) == AXES]
    return len(dims(node.outputs[0])) == AXES and any(dims(value)[0] > LONGEST for value in long)


def _in_front(builder: Builder, value: ir.Value | None) -> ir.Value | None:
    """Return a tensor of three axes with one more in front; others are broadcast as they are."""
    if value is None or len(dims(value)) != AXES:
        return value
    known = value.const_value
    if known is not None:
        return builder.constant(known.numpy()[None], "in_front")
    return builder.reshape(value, [1, *dims(value)])


def _written(builder: Builder, node: ir.Node, inputs: list[ir.Value | None], shape: list[int]) -> ir.Value:
    if node.op_type == "Transpose":
        given = node.attributes.get("perm")
        order = list(given.as_ints()) if given is not None else [*reversed(range(AXES))]
        return builder.node("Transpose", inputs, shape, perm=[0, *(place + 1 for place in order)])
    if node.op_type == "Softmax":
        return builder.node("Softmax", inputs, shape, axis=node_axis(node, -1, AXES) + 1)
    return builder.copy(node, inputs, shape)
