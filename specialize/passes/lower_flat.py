"""Lower flat: compute on the axes that are there what was written on one long line.

What: Mul(Reshape(x, [n]), number)  ->  Reshape(Mul(x, number), [n]), and so for every operator on elements.
Why it is sound: it treats every element alike, so that the shape does not matter to it.
Needs: static shapes.
Declines when: another operand has more than one element; x is a line itself.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.ops import BY_ELEMENT
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import node_name
from specialize.passes.compact import remove_unused, replace

NAME = "lower_flat"
HIGHEST = 4


def lower_flat(model: ir.Model) -> int:
    """Rewrite every operator on elements of a flattened tensor, in place; return how many.

    Compilers for chips lay out channels, rows and columns: a line of 300,000 elements falls to the CPU on one of them.
    """
    count = 0
    for node in list(model.graph):
        flat = _flattened(node)
        if flat is None:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        place = list(node.inputs).index(flat)
        source = _above(flat)
        assert source is not None
        inputs = [*node.inputs[:place], source, *node.inputs[place + 1 :]]
        result = builder.copy(node, inputs, dims(source))
        replace(model.graph, node.outputs[0], builder.reshape(result, dims(node.outputs[0])))
        remove_unused(model.graph, node)
        count += 1
    return count


def _flattened(node: ir.Node) -> ir.Value | None:
    """Return the one input that is a flattened tensor, if all others are numbers."""
    if node.op_type not in BY_ELEMENT or node.domain not in STANDARD or not is_static(node.outputs[0]):
        return None
    if len(dims(node.outputs[0])) != 1:
        return None
    present = [value for value in node.inputs if value is not None]
    if not all(is_static(value) and len(dims(value)) <= 1 for value in present):
        return None
    long = [value for value in present if math.prod(dims(value)) > 1]
    return long[0] if len(long) == 1 and _above(long[0]) is not None else None


def _above(flat: ir.Value) -> ir.Value | None:
    """Return what a line is a Reshape of."""
    node = flat.producer()
    if node is None or node.op_type != "Reshape" or node.domain not in STANDARD:
        return None
    source = node.inputs[0]
    return source if source is not None and is_static(source) and 1 < len(dims(source)) <= HIGHEST else None
