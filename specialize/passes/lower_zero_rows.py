"""Lower zero rows: pad what one compiler turns into a product with a matrix of zeros and ones when it is joined.

What: Concat(x, ..., zeros)  ->  Pad(Concat(x, ...)).
Why it is sound: Pad writes the same zeros behind the same rows.
Needs: fold, so that zeros are a constant; opset 11, where the widths of Pad are an input.
Declines when: nothing; what is joined with anything but zeros at its end stays.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace
from specialize.rows.lift import array_of, node_axis

NAME = "lower_zero_rows"


def lower_zero_rows(model: ir.Model) -> list[Note]:
    """Write every Concat that ends with constant zeros as a Pad, in place."""
    notes = []
    for node in list(model.graph):
        if not _ends_with_zeros(node):
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        result = node.outputs[0]
        axis = node_axis(node, 0, len(dims(result)))
        zeros = node.inputs[-1]
        assert zeros is not None
        replace(model.graph, result, _padded(builder, node, axis, dims(zeros)[axis]))
        remove_unused(model.graph, node)
        notes.append(Note(NAME, "applied", node_name(node), f"{dims(zeros)[axis]} rows of zeros by Pad"))
    return notes


def _ends_with_zeros(node: ir.Node) -> bool:
    if node.op_type != "Concat" or node.domain not in STANDARD or len(node.inputs) < 2:
        return False
    known = array_of(node.inputs[-1])
    first = node.inputs[0]
    computed = first is not None and first.const_value is None and first.dtype == ir.DataType.FLOAT
    return computed and known is not None and not known.any() and is_static(node.outputs[0])


def _padded(builder: Builder, node: ir.Node, axis: int, count: int) -> ir.Value:
    shape = dims(node.outputs[0])
    kept = [*shape[:axis], shape[axis] - count, *shape[axis + 1 :]]
    parts = list(node.inputs[:-1])
    joined = parts[0] if len(parts) == 1 else builder.node("Concat", parts, kept, axis=axis)
    widths = np.zeros(2 * len(shape), dtype=np.int64)
    widths[len(shape) + axis] = count
    return builder.node("Pad", [joined, builder.constant(widths, "widths")], shape, mode="constant")
