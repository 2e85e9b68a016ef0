"""Cumulative sums over rows, and the differences that are read of them; `rows/prefix_sums.py` multiplies them out."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.rows.axes import Layout, row_ids
from specialize.rows.expr import Combination, Prefix, Term
from specialize.rows.lift import Lifter
from specialize.rows.rowmap import RowMap
from specialize.rows.rule import RowRule

FARTHEST = 8
"""Nodes between a difference and the cumulative sums that it is of."""

KEEPS_AXES = frozenset({"Concat", "Gather", "GatherND", "Identity", "Pad", "Slice", "Split"})
"""What reads cumulative sums at places, or begins them with zeros."""


def lift_cumulative_sum(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """CumSum along an axis of rows."""
    source, axis = node.inputs[0], array_of(node.inputs[1])
    if source is None or axis is None:
        return Declined("axes-not-constant", "its axis is not constant")
    along = int(axis.reshape(-1)[0]) % len(layout)
    if not lifter.axes.is_row(layout[along]):
        return Declined("sums-features", "it sums along an axis that holds no rows")
    operand = lifter.lift(source, layout)
    ids = row_ids(lifter.axes, layout)
    steps = np.arange(dims(source)[along])[:: -1 if _flag(node, "reverse") else 1]
    steps = steps.reshape([-1 if number == along else 1 for number in range(ids.ndim)])
    lines = np.arange(ids.size // max(1, steps.size)).reshape(ids.take([0], axis=along).shape)
    line, place = np.empty(ids.size, np.int64), np.empty(ids.size, np.int64)
    line[ids.ravel()] = np.broadcast_to(lines, ids.shape).ravel()
    place[ids.ravel()] = np.broadcast_to(steps, ids.shape).ravel()
    rows = lifter.axes.rows(layout)
    base = Prefix(node.outputs[output], layout, rows, operand, line, place, not _flag(node, "exclusive"))
    return Combination(rows, (Term(RowMap.identity(size_of(rows)), base),))


def summed_axis(node: ir.Node) -> int | None:
    """Return the axis along which a Sub subtracts cumulative sums that were read at constant places, or None."""
    if node.op_type != "Sub" or node.domain not in STANDARD:
        return None
    first, second = (_axis_of_sums(value) for value in node.inputs)
    rank = len(dims(node.outputs[0]))
    return first[0] if first is not None and first == second and first[1] == rank else None


def _axis_of_sums(value: ir.Value | None) -> tuple[int, int] | None:
    """Return the axis and the rank of the cumulative sums that a tensor consists of; None for other tensors."""
    for _ in range(FARTHEST):
        node = None if value is None else value.producer()
        if node is None or not is_static(node.outputs[0]):
            return None
        if node.op_type == "CumSum":
            axis, rank = array_of(node.inputs[1]), len(dims(node.outputs[0]))
            return None if axis is None else (int(axis.reshape(-1)[0]) % rank, rank)
        if node.op_type not in KEEPS_AXES:
            return None
        value = next((source for source in node.inputs if array_of(source) is None), None)
    return None


def _flag(node: ir.Node, name: str) -> bool:
    return name in node.attributes and bool(node.attributes[name].as_int())


RULES: dict[str, RowRule] = {"CumSum": RowRule(lift_cumulative_sum)}
