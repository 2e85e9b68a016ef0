"""Define in one table what operators sort, scan, gather and scatter, which operation counts do not show.

An element is what moves in one piece: a row of features for a `Gather` along the first axis, a single number for a
`GatherElements`. Bytes are those of the moved data; indices, and data that is only passed on, are part of the bytes
that every operator reads and writes. Moving data in an order that depends on shapes alone (Transpose, Slice, Concat,
Expand) is not movement in this sense: its cost is its bytes. Points of an image that are sampled are counted as
samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from specialize.costs.node import NodeView, byte_size
from specialize.evidence.costs import NOTHING, Amount, Movement


@dataclass(frozen=True, slots=True)
class Rule:
    """How the movement of an operator is counted.

    Attributes:
        moves: Takes the node, returns what it moves.
        text: The same for people: kind and elements, in terms of the output y, the data x and the indices i.
    """

    moves: Callable[[NodeView], Movement]
    text: str


def movement(node: ir.Node) -> Movement:
    """Return what a node moves to or from places that data determine.

    Raises:
        UnknownShapeError: A tensor's size is unknown.
    """
    rule = MOVEMENTS.get(node.op_type)
    return NOTHING if rule is None else rule.moves(NodeView(node))


def _top_k(view: NodeView) -> Movement:
    kept = Amount(view.out_size(), _written(view))
    return Movement(scanned=Amount(view.size(0), _bytes(view, 0)), sorted=kept)


def _cum_sum(view: NodeView) -> Movement:
    """Count rows where the axis is known: the axes behind it are added in one piece."""
    axis = view.node.inputs[1]
    known = None if axis is None or axis.const_value is None else axis.const_value.numpy()
    inner = 1
    if known is not None and known.size == 1 and view.shape(0):
        inner = math.prod(view.shape(0)[known.item() % len(view.shape(0)) :][1:])
    return Movement(scanned=Amount(view.size(0) // max(1, inner), _bytes(view, 0)))


def _non_zero(view: NodeView) -> Movement:
    return Movement(scanned=Amount(view.size(0), _bytes(view, 0)))


def _gather(view: NodeView) -> Movement:
    axis = view.integer("axis", 0) % max(1, len(view.shape(0)))
    return Movement(gathered=Amount(math.prod(view.shape(0)[:axis]) * view.size(1), _written(view)))


def _gather_nd(view: NodeView) -> Movement:
    return Movement(gathered=Amount(view.size(1) // view.shape(1)[-1], _written(view)))


def _gather_elements(view: NodeView) -> Movement:
    return Movement(gathered=Amount(view.out_size(), _written(view)))


def _compress(view: NodeView) -> Movement:
    axis = view.integer("axis", -1)
    inner = 1 if view.node.attributes.get("axis") is None else math.prod(view.out_shape()[axis:][1:])
    return Movement(gathered=Amount(view.out_size() // max(1, inner), _written(view)))


def _scatter_nd(view: NodeView) -> Movement:
    return Movement(scattered=Amount(view.size(1) // view.shape(1)[-1], _bytes(view, 2)))


def _scatter_elements(view: NodeView) -> Movement:
    return Movement(scattered=Amount(view.size(2), _bytes(view, 2)))


def _bev_pool(view: NodeView) -> Movement:
    """Count a depth and a row of C features per kept point."""
    points = view.size(2)
    moved = _itemsize(view, 0) + view.shape(1)[-1] * _itemsize(view, 1)
    return Movement(gathered=Amount(2 * points, points * moved))


def _bytes(view: NodeView, index: int) -> int:
    value = view.node.inputs[index]
    return 0 if value is None else byte_size(value)


def _written(view: NodeView) -> int:
    return byte_size(view.node.outputs[0])


def _itemsize(view: NodeView, index: int) -> int:
    value = view.node.inputs[index]
    return 0 if value is None or value.dtype is None else max(1, int(value.dtype.bitwidth) // 8)


MOVEMENTS: Mapping[str, Rule] = {
    "TopK": Rule(_top_k, "sorted: y.size; scanned: x.size"),
    "CumSum": Rule(_cum_sum, "scanned: x.size / axes of x behind `axis`"),
    "NonZero": Rule(_non_zero, "scanned: x.size"),
    "Gather": Rule(_gather, "gathered: i.size * axes of x before `axis`"),
    "GatherElements": Rule(_gather_elements, "gathered: y.size"),
    "GatherND": Rule(_gather_nd, "gathered: i.size / length of an index"),
    "Compress": Rule(_compress, "gathered: y.size / axes of y behind `axis`"),
    **dict.fromkeys(("BEVPoolV2", "BEVPoolV2TRT"), Rule(_bev_pool, "gathered: 2 * kept points")),
    "ScatterND": Rule(_scatter_nd, "scattered: i.size / length of an index"),
    **dict.fromkeys(("ScatterElements", "Scatter"), Rule(_scatter_elements, "scattered: updates.size")),
}
"""Operator name -> what it moves. One that is not here moves nothing in this sense."""
