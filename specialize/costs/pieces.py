"""Count the contiguous pieces that an operator works on one at a time, which make operators on short rows slow.

A kernel runs over a stretch of memory at full speed and pays once per stretch. A product of 100,000 matrices of 3 x 3,
or a division of pairs by a pair, consists of stretches only; its operations and bytes do not show this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import onnx_ir as ir

from specialize.costs.node import NodeView, Shape, static_shape

_LINE = 16
"""Numbers in a line of a cache: what a transposition that moves the last axis handles at once."""


def pieces(node: ir.Node) -> int:
    """Return the number of pieces that a node works on; of products of matrices the number of those.

    Raises:
        UnknownShapeError: A tensor's size is unknown.
    """
    rule = PIECES.get(node.op_type)
    return 0 if rule is None else rule[0](NodeView(node))


def _matrices(view: NodeView) -> int:
    return math.prod(view.out_shape()[:-2]) if len(view.shape(1)) > 2 else 1


def _stretches(view: NodeView) -> int:
    """Count stretches over which every input goes along or stays where it is, from the last axis on."""
    result = view.out_shape()
    inputs = [static_shape(value) for value in view.node.inputs if value is not None]
    if view.node.op_type == "Expand":
        inputs = inputs[:1]
    padded = [(1,) * (len(result) - len(shape)) + shape for shape in inputs]
    inner = 1
    modes: list[str] = [""] * len(padded)
    for axis in range(len(result) - 1, -1, -1):
        for number, shape in enumerate(padded):
            here = "" if result[axis] == 1 else "along" if shape[axis] == result[axis] else "stays"
            if here and modes[number] not in ("", here):
                return math.prod(result[: axis + 1]) if inner > 1 else math.prod(result)
            modes[number] = modes[number] or here
        inner *= result[axis]
    return 1


def _transposed(view: NodeView) -> int:
    shape: Shape = view.shape(0)
    order = view.integers("perm", tuple(reversed(range(len(shape)))))
    axis = len(shape)
    while axis and order[axis - 1] == axis - 1:
        axis -= 1
    if not axis:
        return 1
    inner = math.prod(shape[axis:])
    return math.prod(shape) // (inner if inner > 1 else _LINE)


def _softmax(view: NodeView) -> int:
    """Count rows; every number if the axis is not the last one: it is brought there and back."""
    shape = view.shape(0)
    axis = view.integer("axis", -1) % max(1, len(shape))
    return math.prod(shape[:-1] if axis == len(shape) - 1 else shape)


def _reduced(view: NodeView) -> int:
    """Count the rows that are added up where the last axis stays; numbers in a row are added at full speed."""
    before, after = view.shape(0), view.out_shape()
    if not after or before[-1] != after[-1] or math.prod(before) == math.prod(after):
        return 1
    inner, back = 1, 1
    while back <= min(len(before), len(after)) and before[-back] == after[-back]:
        inner, back = inner * before[-back], back + 1
    return math.prod(before) // max(1, inner)


_BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Where", "Expand", "Equal", "Greater", "GreaterOrEqual",
              "Less", "LessOrEqual", "And", "Or", "Xor", "Min", "Max")  # fmt: skip
_REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")

PIECES: Mapping[str, tuple[Callable[[NodeView], int], str]] = {
    "MatMul": (_matrices, "matrices, if both inputs have several"),
    **dict.fromkeys(_BROADCAST, (_stretches, "stretches of y over which every input goes along or stays")),
    "Transpose": (_transposed, "x.size / axes that stay last; lines of 16 if none does"),
    **dict.fromkeys(("Softmax", "LogSoftmax"), (_softmax, "rows of x; x.size if `axis` is not the last one")),
    **dict.fromkeys(_REDUCTIONS, (_reduced, "rows of x, if the last axis stays")),
}
"""Operator name -> how its pieces are counted, and the same for people. One that is not here has none."""
