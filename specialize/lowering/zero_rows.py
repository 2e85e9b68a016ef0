"""Lower zero rows: pad what one compiler turns into a product with a matrix of zeros and ones when it is joined.

What: Concat(x, ..., zeros)  ->  Pad(Concat(x, ...)).
Why it is sound: Pad writes the same zeros behind the same rows.
Needs: fold, so that zeros are a constant; opset 11, where the widths of Pad are an input.
Declines when: nothing; what is joined with anything but zeros at its end stays.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.rewrite import Rewritten, Rule, opset
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.text.units import counted

NAME = "lower_zero_rows"


def _ends_with_zeros(node: ir.Node) -> bool:
    if node.op_type != "Concat" or node.domain not in STANDARD or len(node.inputs) < 2:
        return False
    known = array_of(node.inputs[-1])
    first = node.inputs[0]
    computed = first is not None and first.const_value is None and first.dtype == ir.DataType.FLOAT
    return computed and known is not None and not known.any() and is_static(node.outputs[0])


def _padded(node: ir.Node, builder: Builder) -> Rewritten | None:
    zeros = node.inputs[-1]
    if not _ends_with_zeros(node) or zeros is None:
        return None
    shape = dims(node.outputs[0])
    axis = node_axis(node, 0, len(shape))
    count = dims(zeros)[axis]
    kept = [*shape[:axis], shape[axis] - count, *shape[axis + 1 :]]
    parts = list(node.inputs[:-1])
    joined = parts[0] if len(parts) == 1 else builder.node("Concat", parts, kept, axis=axis)
    widths = np.zeros(2 * len(shape), dtype=np.int64)
    widths[len(shape) + axis] = count
    made = builder.node("Pad", [joined, builder.constant(widths, "widths")], shape, mode="constant")
    return Rewritten([f"{counted(count, 'row')} of zeros by Pad"], [made])


PADDED_ZEROS = Rule(name=NAME, operators={"Concat"}, rewrite=_padded, needs=opset(11))
"""Every Concat that ends with constant zeros becomes a Pad."""
