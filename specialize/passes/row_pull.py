"""Row pull: compute picked rows of a tensor, without computing its other rows first.

A pick commutes with what works on each row alone, so it moves up through element-wise products and sums, reshapes,
transposes and other picks to the tensors that the rows come from. What is read by something else stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.ops import VIEWS
from specialize.graph.shape_arithmetic import places_in
from specialize.graph.shapes import STANDARD, dims, is_static

ELEMENTWISE = frozenset({"Mul", "Add", "Sub", "Div"})

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """A tensor read as rows: its elements in C order, `count` rows of `width` each.

    Attributes:
        value: The tensor, of any static shape with `count * width` elements.
        count: Number of rows.
        width: Elements of a row.
        repeated: Whether a pick may read a row more than once, so that arithmetic is better done before it.
    """

    value: ir.Value
    count: int
    width: int
    repeated: bool = False

    def split(self) -> int | None:
        """Return how many leading axes count the rows; None if an axis holds parts of both."""
        shape = dims(self.value)
        for axis in range(len(shape) + 1):
            if math.prod(shape[:axis]) == self.count and math.prod(shape[axis:]) == self.width:
                return axis
        return None


def pull_rows(builder: Builder, rows: Rows, index: Ints) -> ir.Value:
    """Return rows of a tensor, (len(index), width), computed for those rows alone where that can be told.

    Args:
        builder: Makes the nodes.
        rows: The tensor.
        index: Which row stands where.
    """
    pulled = _pulled(builder, rows, index)
    return pulled if pulled is not None else _picked(builder, rows, index)


def _picked(builder: Builder, rows: Rows, index: Ints) -> ir.Value:
    constant = array_of(rows.value)
    if constant is not None:
        return builder.constant(constant.reshape(rows.count, rows.width)[index], "rows")
    table = builder.reshape(rows.value, (rows.count, rows.width))
    if np.array_equal(index, np.arange(rows.count)):
        return table
    picked = builder.constant(index.astype(np.int32 if rows.count < 2**31 else np.int64), "rows")
    return builder.node("Gather", [table, picked], (len(index), rows.width), axis=0)


def _pulled(builder: Builder, rows: Rows, index: Ints) -> ir.Value | None:
    """Return the rows computed from rows of the node's inputs; None if the node does not work on each row alone."""
    node = rows.value.producer()
    alone = len(rows.value.uses()) == 1 and not rows.value.is_graph_output()
    if node is None or node.domain not in STANDARD or not alone or not all(map(_is_known, node.inputs)):
        return None
    if node.op_type in VIEWS and node.inputs[0] is not None:
        return pull_rows(builder, replace(rows, value=node.inputs[0]), index)
    lead = rows.split()
    if lead is None:
        return None
    if node.op_type in ELEMENTWISE and not rows.repeated:
        operands = [_operand(builder, value, rows, lead, index) for value in node.inputs if value is not None]
        kept = [value for value in operands if not (node.op_type == "Mul" and _is_one(value))]
        whole = len(kept) == 1 and dims(kept[0]) == (len(index), rows.width)
        return kept[0] if whole else builder.node(node.op_type, operands, (len(index), rows.width))
    if node.op_type == "Gather":
        return _through_gather(builder, node, rows, index)
    if node.op_type == "Transpose":
        return _through_transpose(builder, node, rows, lead, index)
    return None


def zero_rows(rows: Rows) -> Bools:
    """Return which rows are zero whatever the inputs are, because a constant factor is: (count,)."""
    zero = np.zeros(rows.count, np.bool_)
    node, lead = rows.value.producer(), rows.split()
    if node is None or node.domain not in STANDARD or not is_static(rows.value):
        return zero
    if node.op_type in VIEWS and node.inputs[0] is not None:
        return zero_rows(replace(rows, value=node.inputs[0]))
    if node.op_type != "Mul" or lead is None:
        return zero
    shape = dims(rows.value)
    for value in node.inputs:
        factor = array_of(value)
        if factor is not None:
            within = tuple(range(lead, len(shape)))
            zero |= np.broadcast_to(factor == 0, shape).all(axis=within).reshape(rows.count)
        elif value is not None and is_static(value):
            own = (1,) * (len(shape) - len(dims(value))) + dims(value)
            part = zero_rows(Rows(value, math.prod(own[:lead]), math.prod(own[lead:])))
            zero |= np.broadcast_to(part.reshape(own[:lead]), shape[:lead]).reshape(rows.count)
    return zero


def _is_one(value: ir.Value) -> bool:
    constant = array_of(value)
    return constant is not None and bool((constant == 1).all())


def _is_known(value: ir.Value | None) -> bool:
    return value is None or is_static(value)


def _operand(builder: Builder, value: ir.Value, rows: Rows, lead: int, index: Ints) -> ir.Value:
    """Return the rows of an operand that is broadcast to the shape of the result."""
    shape = dims(rows.value)
    own = (1,) * (len(shape) - len(dims(value))) + dims(value)
    places = np.unravel_index(index, shape[:lead]) if lead else ()
    width = math.prod(own[lead:])
    if width not in (1, rows.width):  # broadcast within a row: spread it first
        value = _spread(builder, value, (*own[:lead], *shape[lead:]))
        own, width = (*own[:lead], *shape[lead:]), rows.width
    count = math.prod(own[:lead])
    if count == 1:
        return builder.reshape(value, (1, width))
    held = tuple(
        np.zeros_like(place) if size == 1 else place for place, size in zip(places, own[:lead], strict=True)
    )
    operand = Rows(value, count, width, repeated=own[:lead] != shape[:lead])
    return pull_rows(builder, operand, np.ravel_multi_index(held, own[:lead]))


def _spread(builder: Builder, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    target = builder.constant(np.array(shape, dtype=np.int64), "shape")
    return builder.node("Expand", [value, target], shape)


def _through_gather(builder: Builder, node: ir.Node, rows: Rows, index: Ints) -> ir.Value | None:
    source, picked = node.inputs[0], array_of(node.inputs[1])
    if source is None or picked is None:
        return None
    shape = dims(source)
    axis = node_axis(node, 0, len(shape))
    if math.prod(shape[:axis]) != 1 or math.prod(shape[axis + 1 :]) != rows.width:
        return None
    numbers = places_in(picked.ravel(), shape[axis])
    if numbers is None:
        return None
    repeated = rows.repeated or len(np.unique(numbers)) < len(numbers)
    return pull_rows(builder, Rows(source, shape[axis], rows.width, repeated), numbers[index])


def _through_transpose(
    builder: Builder, node: ir.Node, rows: Rows, lead: int, index: Ints
) -> ir.Value | None:
    source = node.inputs[0]
    if source is None:
        return None
    rank = len(dims(source))
    order = (
        tuple(node.attributes["perm"].as_ints())
        if "perm" in node.attributes
        else tuple(reversed(range(rank)))
    )
    if order[lead:] != tuple(range(lead, rank)):
        return None
    places = np.unravel_index(index, dims(rows.value)[:lead])
    held = tuple(places[order.index(axis)] for axis in range(lead))
    return pull_rows(builder, replace(rows, value=source), np.ravel_multi_index(held, dims(source)[:lead]))
