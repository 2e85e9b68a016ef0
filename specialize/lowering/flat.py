"""Lower flat: compute on the axes that are there what was written on one long line.

What: Mul(Reshape(x, [n]), number)  ->  Reshape(Mul(x, number), [n]), and so for every operator on elements.
Why it is sound: it treats every element alike, so that the shape does not matter to it.
Needs: static shapes.
Declines when: another operand has more than one element; x is a line itself.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.ops import BY_ELEMENT
from specialize.graph.rewrite import Rewritten, Rule
from specialize.graph.shapes import STANDARD, dims, is_static

NAME = "lower_flat"
HIGHEST = 4


def _unflattened(node: ir.Node, builder: Builder) -> Rewritten | None:
    flat = _flattened(node)
    source = None if flat is None else _above(flat)
    if flat is None or source is None:
        return None
    place = list(node.inputs).index(flat)
    inputs = [*node.inputs[:place], source, *node.inputs[place + 1 :]]
    return Rewritten(
        ["operators on elements before they are flattened"], [builder.copy(node, inputs, dims(source))]
    )


def _flattened(node: ir.Node) -> ir.Value | None:
    """Return the one input that is a flattened tensor, if all others are numbers."""
    if not is_static(node.outputs[0]) or len(dims(node.outputs[0])) != 1:
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


UNFLATTENED = Rule(name=NAME, operators=BY_ELEMENT, rewrite=_unflattened, counted=True)
"""Every operator on elements of a flattened tensor works on the tensor.

Compilers for chips lay out channels, rows and columns: a line of 300,000 elements falls to the CPU on one of them.
"""
