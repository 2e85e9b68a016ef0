"""Sinks: where rows are dropped. A sum over masked cameras, a gather back, a scatter to constant places.

Which axes are rows is read off the constants: those along which a mask varies, or that constant indices address.
Looking for them changes nothing and goes no further than the operators that only rearrange, mask and convert.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis, reduced_axes
from specialize.graph.ops import SAMPLERS, WRITES, integer
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.rows.axes import Axes, Layout, aligned, factors_of, row_ids, unreduced
from specialize.rows.expr import Combination
from specialize.rows.lift import Lifter
from specialize.rows.masked_factors import FARTHEST, masked_factors, told_apart
from specialize.rows.ops.cumulative import summed_axis
from specialize.rows.ops.picks import is_pick
from specialize.rows.ops.products import sparse_matrix
from specialize.rows.ops.scatter import whole_axes
from specialize.rows.rowmap import RowMap

WHOLE = "specialize.whole"
"""Mark, in the metadata that is not written, of a node that is to be computed for all rows."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A node below which rows are dropped.

    Attributes:
        node: The node whose output is to be computed from fewer rows.
        layout: Layout of that output.
        value: What the output is.
    """

    node: ir.Node
    layout: Layout
    value: Combination


SUMS = frozenset({"ReduceSum", "ReduceMean"})


def is_candidate(node: ir.Node) -> bool:
    """Return whether rows may be dropped at a node."""
    if node.domain not in STANDARD or not is_static(node.outputs[0]) or WHOLE in node.meta:
        return False
    if node.op_type in SUMS or node.op_type in WRITES or _written(node) is not None:
        return True
    return mixed_axis(node) is not None or is_incidental(node)


def is_incidental(node: ir.Node) -> bool:
    """Return whether a node picks rows by a table or masks them, behind what was sampled not far above; or is a mean.

    Such nodes are common; where they are no sink, no note is written.
    """
    if node.op_type == "ReduceMean":
        return True
    if not is_pick(node) and (node.op_type != "Gather" or _table_rank(node) == 0) and _mask_of(node) is None:
        return False
    stack, seen = list(node.inputs), 0
    while stack and seen < FARTHEST:
        value = stack.pop(0)
        made = None if value is None else value.producer()
        if made is not None:
            seen += 1
            if made.op_type in SAMPLERS and not is_pick(made):
                return True
            stack.extend(made.inputs)
    return False


def _mask_of(node: ir.Node) -> ir.Value | None:
    """Return the constant by which a Mul makes some rows zero."""
    for value in node.inputs if node.op_type == "Mul" else ():
        array = array_of(value)
        if array is not None and array.size > 1 and (array == 0).any():
            return value
    return None


def _written(node: ir.Node) -> ir.Node | None:
    """Return the scatter of which a Slice keeps a part, if it is the only reader: the rest holds rows to be dropped."""
    source = node.inputs[0] if node.op_type == "Slice" else None
    made = None if source is None else source.producer()
    if source is None or made is None or made.op_type not in WRITES or made.domain not in STANDARD:
        return None
    return made if len(source.uses()) == 1 and not source.is_graph_output() else None


def mixed_axis(node: ir.Node) -> int | None:
    """Return the axis of rows that are differences of cumulative sums, or sums by a sparse matrix; None for others."""
    if sparse_matrix(node) is not None:
        return len(dims(node.outputs[0])) - 2
    return summed_axis(node)


def _table_rank(node: ir.Node) -> int:
    """Return the rank of a table of constant indices; 0 if they are not constant."""
    table = array_of(node.inputs[1])
    return 0 if table is None else table.ndim


def read_sink(node: ir.Node, axes: Axes, lifter: Lifter) -> Sink | Declined:
    """Return what a candidate is in terms of rows, or why it is none."""
    if node.op_type in SUMS:
        return _read_sum(node, axes, lifter)
    mask = _mask_of(node)
    if mask is not None:
        return _read_mask(node, mask, axes, lifter)
    if is_incidental(node):
        return _read_pick(node, axes, lifter)
    rows = mixed_axis(node)
    if rows is not None:
        return _read_mixed(node, rows, axes, lifter)
    return _read_scatter(node, _written(node) or node, axes, lifter)


def read_moves(node: ir.Node, axes: Axes, lifter: Lifter) -> Sink | Declined:
    """Return what the end of a chain of moves is in terms of rows, whatever is done with them."""
    if node.op_type in SUMS:
        return _read_sum(node, axes, lifter)
    if node.op_type in WRITES:
        return _read_scatter(node, node, axes, lifter)
    layout: Layout = tuple(axes.feature(size) for size in dims(node.outputs[0]))
    found = masked_factors(axes, node.outputs[0], layout, set())
    for factor in factors_of(layout):
        if factor in found:
            for part in axes.resolve((factor,)):
                axes.promote(part)
    return Sink(node, layout, lifter.lift(node.outputs[0], layout))


def _read_sum(node: ir.Node, axes: Axes, lifter: Lifter) -> Sink | Declined:
    source, where = node.inputs[0], reduced_axes(node)
    if source is None or where is None or not is_static(source):
        return Declined("axes-not-constant", "the axes of the sum are not constant")
    whole: Layout = tuple(axes.feature(size) for size in dims(source))
    reduced = {factor for axis in where for factor in whole[axis]}
    found = masked_factors(axes, source, whole, reduced)
    if not found or not reduced <= found:
        return Declined("no-mask", "no constant mask or index distinguishes rows of the summed axes")
    order = [f for axis in whole for f in axis if f in reduced] + [
        f for axis in whole for f in axis if f not in reduced
    ]
    for factor in order:
        if factor in found:
            for part in axes.resolve((factor,)):
                axes.promote(part)
    summed = lifter.lift(source, whole)
    keep = integer(node, "keepdims")
    kept = [() if axis in where else whole[axis] for axis in range(len(whole)) if keep or axis not in where]
    layout = tuple(kept)
    rows = axes.rows(layout)
    ids = row_ids(axes, unreduced(layout, dims(source), where, [()] * len(where)))
    spread = row_ids(axes, whole)
    targets = np.empty(spread.size, dtype=np.int64)
    targets[spread.ravel()] = np.broadcast_to(ids, spread.shape).ravel()
    back = RowMap.injection(targets, size_of(rows))
    if node.op_type == "ReduceMean":
        count = math.prod(dims(source)[axis] for axis in where)
        back = RowMap.diagonal(np.full(size_of(rows), 1 / count)) @ back
    return Sink(node, layout, summed.moved(back, rows))


def _read_scatter(node: ir.Node, scatter: ir.Node, axes: Axes, lifter: Lifter) -> Sink | Declined:
    indices = array_of(scatter.inputs[1])
    if indices is None:
        return Declined("indices-not-constant", "the places it writes to are not constant")
    sizes = dims(node.outputs[0])
    if scatter.op_type == "ScatterND":
        moved = set(range(indices.shape[-1])) - set(whole_axes(indices, dims(scatter.outputs[0])).values())
    else:
        axis = node_axis(scatter, 0, len(sizes))
        moved = {axis} | {
            place
            for place in range(indices.ndim)
            if place != axis and (np.diff(indices, axis=place) != 0).any()
        }
    layout: Layout = tuple(
        axes.row(size) if place in moved else axes.feature(size) for place, size in enumerate(sizes)
    )
    return Sink(node, layout, lifter.lift(node.outputs[0], layout))


def _read_mixed(node: ir.Node, rows: int, axes: Axes, lifter: Lifter) -> Sink:
    sizes = dims(node.outputs[0])
    layout = tuple(
        axes.row(size) if place == rows else axes.feature(size) for place, size in enumerate(sizes)
    )
    return Sink(node, layout, lifter.lift(node.outputs[0], layout))


def _read_pick(node: ir.Node, axes: Axes, lifter: Lifter) -> Sink:
    sizes = dims(node.outputs[0])
    moved = {0, *range(2, len(sizes))}
    if node.op_type == "Gather":
        start = node_axis(node, 0, len(dims(node.inputs[0])) if node.inputs[0] is not None else 1)
        moved = set(range(start, start + _table_rank(node)))
    layout: Layout = tuple(
        axes.row(size) if place in moved else axes.feature(size) for place, size in enumerate(sizes)
    )
    return Sink(node, layout, lifter.lift(node.outputs[0], layout))


def _read_mask(node: ir.Node, mask: ir.Value, axes: Axes, lifter: Lifter) -> Sink:
    layout: Layout = tuple(axes.feature(size) for size in dims(node.outputs[0]))
    zero = np.equal(np.asarray(array_of(mask)), 0)
    found = told_apart(axes, zero, aligned(layout, dims(mask)), set())
    for factor in axes.flat(layout):
        if factor in found:
            axes.promote(factor)
    return Sink(node, layout, lifter.lift(node.outputs[0], layout))
