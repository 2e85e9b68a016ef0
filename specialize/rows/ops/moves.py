"""Operators that move, repeat and join rows: views, Transpose, Expand, Concat, Pad.

Along row axes each of them is a row map. Along feature axes it is a row-wise function like any other.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.ops import VIEWS, of, permutation, text
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, around, by_row, factors_of, row_ids
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Operand, Parameter
from specialize.rows.lift import ROWS_AND_FEATURES, Lifter, selection
from specialize.rows.ops.picks import slice_picks
from specialize.rows.rowmap import RowMap
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted


def lift_view(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Reshape, Squeeze, Unsqueeze, Flatten, Identity: the same factors on other axes."""
    source = node.inputs[0]
    assert source is not None
    grouped = lifter.axes.regroup(layout, dims(source))
    if grouped is None:
        return Declined("regrouped-across-rows", "its result has axes that are not products of whole factors")
    return lifter.lift(source, grouped)


def lift_transpose(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Transpose: the same axes elsewhere."""
    source = node.inputs[0]
    assert source is not None
    perm = permutation(node, len(layout))
    return lifter.lift(source, tuple(layout[perm.index(axis)] for axis in range(len(layout))))


def lift_expand(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Expand, and Tile of axes of size 1: rows repeated; features repeated only as a row-wise function."""
    source = node.inputs[0]
    assert source is not None
    aligned = (*((),) * (len(layout) - len(dims(source))), *dims(source))
    own = tuple(() if size in ((), 1) else axis for size, axis in zip(aligned, layout, strict=True))
    own = own[len(layout) - len(dims(source)) :]
    if any(size_of(axis) != size for axis, size in zip(own, dims(source), strict=True)):
        return Declined("repeated-axis", "it repeats an axis that is longer than 1")
    rows = lifter.axes.rows(layout)
    value = lifter.broadcast(source, own, rows)
    kept = {factor for axis in own for factor in lifter.axes.resolve(axis)}
    lost = [
        factor
        for axis in lifter.axes.layout(layout)
        for factor in axis
        if factor not in kept and not factor.is_row
    ]
    if not lost:
        return value
    return lifter.apply(
        node, output, layout, [Operand(value, own, numpy_type(source))], zero_at=~value.support()
    )


def emit_expand(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Expand of features; what has no rows yet gets them in the same step."""
    tokens = factors_of(emitter.substitute(base.layout, at))
    return emitter.spread(emitter.operand(base.operand(0), at, spread=False), tokens)


def lift_concat(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Concat: rows one after the other, or features side by side."""
    axes, axis = lifter.axes, node_axis(node, 0, len(layout))
    rows = axes.rows(layout)
    if axes.is_feature(layout[axis]):
        operands: list[Operand | Parameter] = []
        zero = np.ones(size_of(rows), dtype=np.bool_)
        for source in node.inputs:
            assert source is not None
            own = (*layout[:axis], axes.feature(dims(source)[axis]), *layout[axis + 1 :])
            value = lifter.broadcast(source, own, rows)
            operands.append(Operand(value, own, numpy_type(source)))
            zero &= ~value.support()
        return lifter.apply(node, output, layout, operands, zero_at=zero)
    if not axes.is_row(layout[axis]):
        return ROWS_AND_FEATURES
    ids, start, total = row_ids(axes, layout), 0, Combination(rows, ())
    for source in node.inputs:
        assert source is not None
        size = dims(source)[axis]
        own = (*layout[:axis], axes.row_like(layout[axis], size), *layout[axis + 1 :])
        targets = by_row(axes, own, ids.take(np.arange(start, start + size), axis=axis))
        cut = _only_place(lifter, source, own, axis, layout[axis]) if size == 1 else None
        value = lifter.lift(source, own) if cut is None else cut
        total += value.moved(RowMap.injection(targets, size_of(rows)), rows)
        start += size
    return total


def _only_place(lifter: Lifter, value: ir.Value, own: Layout, axis: int, like: Axis) -> Combination | None:
    """Return a slice of one row as that row of what it is cut from; None if the value is something else.

    Args:
        lifter: Lifts what the row is cut from.
        value: The slice.
        own: Its layout, in which an axis of size 1 has no factor.
        axis: That axis.
        like: Axis of the rows that the one stands among.
    """
    node = value.producer()
    picks = slice_picks(node) if node is not None and node.op_type == "Slice" and node.domain == "" else None
    source = None if node is None else node.inputs[0]
    if picks is None or source is None or list(picks) != [axis]:
        return None
    whole = (*own[:axis], lifter.axes.row_like(like, dims(source)[axis]), *own[axis + 1 :])
    cut = row_ids(lifter.axes, whole).take(picks[axis], axis=axis)
    found = lifter.lift(source, whole)
    rows = lifter.axes.rows(own)
    return found.moved(selection(lifter.axes, own, cut, lifter.axes.rows(whole)), rows)


def emit_concat(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Concat of features."""
    axis = node_axis(base.node, 0, len(base.layout))
    out = emitter.substitute(base.layout, at)
    before, along, after = around(out, axis, axis + 1)
    values = []
    for index in range(len(base.operands)):
        operand = base.operand(index)
        own = emitter.substitute(operand.layout, at)[axis]
        values.append(emitter.regroup(emitter.operand(operand, at), (before, own, after)))
    attributes = {"axis": ir.AttrInt64("axis", 1)}
    shape = [size_of(before), size_of(along), size_of(after)]
    return Emitted(emitter.remade(base, attributes, values, shape), (*before, *along, *after))


def lift_pad(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Pad with zeros along row axes."""
    source, amounts, fill = node.inputs[0], array_of(node.inputs[1]), None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        fill = array_of(node.inputs[2])
        if fill is None or fill.any():
            return Declined("pads-not-zero", "it pads with something else than zeros")
    mode = text(node, "mode")
    if mode != "constant":
        return Declined("pads-not-zero", f"it pads with the mode {mode}")
    if source is None or amounts is None or len(node.inputs) > 3:
        return Declined("bounds-not-constant", "its amounts are not constant, or for some axes only")
    widths = amounts.astype(np.int64).reshape(2, -1).T
    if (widths < 0).any():
        return Declined("pads-negative", "it pads by negative amounts")
    axes, own, ids = lifter.axes, list(layout), row_ids(lifter.axes, layout)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if not axes.is_row(layout[axis]):
                return Declined("pads-features", "it pads an axis of features")
            own[axis] = axes.row_like(layout[axis], dims(source)[axis])
            ids = ids.take(np.arange(before, before + dims(source)[axis]), axis=axis)
    targets = by_row(axes, tuple(own), ids)
    rows = axes.rows(layout)
    return lifter.lift(source, tuple(own)).moved(RowMap.injection(targets, size_of(rows)), rows)


RULES: dict[str, RowRule] = {
    **dict.fromkeys(VIEWS, RowRule(lift_view)),
    **dict.fromkeys(of("repeat"), RowRule(lift_expand, emit_expand)),
    "Transpose": RowRule(lift_transpose),
    "Concat": RowRule(lift_concat, emit_concat),
    "Pad": RowRule(lift_pad),
}
