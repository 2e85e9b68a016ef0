"""What a view transform pools: one number times one row of features per point, read off the graph.

Reshapes, transposes, slices and gathers with constant indices only move elements; they are followed to the tensors
that numbers and rows come from, by moving the numbers of elements as the graph moves the elements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph import shape_arithmetic
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.ops import VIEWS
from specialize.graph.shapes import STANDARD, dims, is_static

MOVES = frozenset({"Transpose", "Expand", "Slice", "Gather"})

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What is pooled: for every point a number, a row of features, and a constant factor.

    Attributes:
        depth: The tensor that numbers are elements of.
        feat: The tensor that rows are taken from, features last.
        ranks_depth: Elements of `depth`, counted from its first, in any shape.
        ranks_feat: Rows of `feat`, likewise.
        factor: What each product is multiplied by.
    """

    depth: ir.Value
    feat: ir.Value
    ranks_depth: Ints
    ranks_feat: Ints
    factor: Floats


def read_points(value: ir.Value) -> Points | None:
    """Return what the rows of a tensor (..., features) are products of; None if they are none."""
    node = value.producer()
    if node is None or node.domain not in STANDARD or not is_static(value):
        return None
    if node.op_type == "Mul":
        return _product(node)
    source = _row_source(node)
    inner = None if source is None else read_points(source)
    if inner is None:
        return None
    return Points(
        inner.depth,
        inner.feat,
        _move_rows(node, inner.ranks_depth).astype(np.int64),
        _move_rows(node, inner.ranks_feat).astype(np.int64),
        _as_floats(_move_rows(node, inner.factor)),
    )


def _product(node: ir.Node) -> Points | None:
    """Return the points of a product of numbers, which have one feature, and rows; constants are factors."""
    shape = dims(node.outputs[0])[:-1]
    for number, rows in (node.inputs, node.inputs[::-1]):
        if number is None or rows is None or not (is_static(number) and is_static(rows)):
            continue
        if dims(number)[-1:] not in ((), (1,)):
            continue
        known = array_of(number)
        if known is not None:
            inner = read_points(rows)
            scale = _as_floats(known[..., 0] if known.ndim else known)
            if inner is None:
                return None
            return replace(inner, factor=np.broadcast_to(inner.factor * scale, shape))
        depth, ranks_depth, factor = _numbers(number)
        feat, ranks_feat = _rows(rows)
        return Points(
            depth,
            feat,
            np.broadcast_to(ranks_depth[..., 0], shape),
            np.broadcast_to(ranks_feat, shape),
            np.broadcast_to(factor[..., 0], shape),
        )
    return None


def _numbers(value: ir.Value) -> tuple[ir.Value, Ints, Floats]:
    """Return which elements of which tensor a tensor consists of, and what each is multiplied by."""
    node = value.producer()
    if node is not None and node.domain in STANDARD and node.op_type == "Mul":
        for one, other in (node.inputs, node.inputs[::-1]):
            known = array_of(one)
            if known is not None and other is not None and is_static(other) and dims(other) == dims(value):
                origin, index, factor = _numbers(other)
                return origin, index, factor * _as_floats(known)
    source = _moved_from(node)
    if node is None or source is None:
        return value, np.arange(math.prod(dims(value))).reshape(dims(value)), np.ones(dims(value))
    origin, index, factor = _numbers(source)
    return origin, _move(node, index).astype(np.int64), _as_floats(_move(node, factor))


def _rows(value: ir.Value) -> tuple[ir.Value, Ints]:
    """Return which rows of which tensor a tensor (..., features) consists of."""
    node = value.producer()
    source = None if node is None else _row_source(node)
    if node is None or source is None:
        shape = dims(value)[:-1]
        return value, np.arange(math.prod(shape)).reshape(shape)
    origin, index = _rows(source)
    return origin, _move_rows(node, index).astype(np.int64)


def _row_source(node: ir.Node) -> ir.Value | None:
    """Return what a node moves rows of, leaving their features together; None if it does something else."""
    source = _moved_from(node)
    if source is None or dims(source)[-1] != dims(node.outputs[0])[-1]:
        return None
    if node.op_type in VIEWS:
        return source
    gathers = node.op_type == "Gather" and node_axis(node, 0, len(dims(source))) < len(dims(source)) - 1
    return source if gathers else None


def _moved_from(node: ir.Node | None) -> ir.Value | None:
    """Return what a node moves elements of, to constant places; None if it does something else."""
    if node is None or node.domain not in STANDARD or node.op_type not in VIEWS | MOVES:
        return None
    source = node.inputs[0]
    if source is None or not is_static(source) or not is_static(node.outputs[0]) or not dims(source):
        return None
    fixed = node.op_type in VIEWS or all(array_of(value) is not None for value in node.inputs[1:])
    return source if fixed else None


def _as_floats(array: npt.NDArray[np.generic]) -> Floats:
    return array.astype(np.float64)


def _move(node: ir.Node, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if node.op_type in VIEWS:
        return array.reshape(dims(node.outputs[0]))
    constants = [known for value in node.inputs[1:] if (known := array_of(value)) is not None]
    return shape_arithmetic.FUNCTIONS[node.op_type]([array, *constants], node.attributes)


def _move_rows(node: ir.Node, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return one number per row, moved as a node moves rows."""
    if node.op_type in VIEWS:
        return array.reshape(dims(node.outputs[0])[:-1])
    return _move(node, array)
