"""Lift rules of operators that move rows: Gather, Slice, Concat, Expand, Scatter and their like.

Along row axes each of them is a row map. Along feature axes it is a row-wise function like any other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.integers import places_in, sliced
from specialize.graph.ops import VIEWS, of, permutation, text
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.axes import Axes, Axis, Layout, by_row, row_ids, size_of
from specialize.rows.expr import Combination, Operand, Parameter
from specialize.rows.lift import Lifter, Rule, array_of, cuts_of, node_axis
from specialize.rows.rowmap import RowMap

Ints = npt.NDArray[np.int64]


PLACES_OUTSIDE = Declined("places-outside", "an index lies outside of the axis that it addresses")
ROWS_AND_FEATURES = Declined("rows-and-features", "the axis that it works along holds rows and features")


def is_row_axis(axes: Axes, axis: Axis) -> bool:
    """Return whether row maps move along the whole of an axis."""
    resolved = axes.resolve(axis)
    return bool(resolved) and all(factor.is_row for factor in resolved)


def is_feature_axis(axes: Axes, axis: Axis) -> bool:
    """Return whether an axis has no row factor; an axis of size 1 has none."""
    return not any(factor.is_row for factor in axes.resolve(axis))


def regroup(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Reshape, Squeeze, Unsqueeze, Flatten, Identity: the same factors on other axes."""
    source = node.inputs[0]
    assert source is not None
    grouped = lifter.axes.regroup(layout, dims(source))
    if grouped is None:
        return Declined("regrouped-across-rows", "its result has axes that no whole factors make up")
    return lifter.lift(source, grouped)


def transpose(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Transpose: the same axes elsewhere."""
    source = node.inputs[0]
    assert source is not None
    perm = permutation(node, len(layout))
    return lifter.lift(source, tuple(layout[perm.index(axis)] for axis in range(len(layout))))


def expand(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
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


def slice_(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Slice with constant bounds."""
    picks = _slice_picks(node)
    if picks is None:
        return Declined("bounds-not-constant", "its bounds are not constant")
    return pick(lifter, node, output, layout, picks)


def _slice_picks(node: ir.Node) -> dict[int, Ints] | None:
    """Return which places a Slice keeps along which axes; None if its bounds are not constant."""
    source, cuts = node.inputs[0], cuts_of(node)
    if source is None or cuts is None:
        return None
    return {
        axis % len(dims(source)): sliced(dims(source)[axis], start, end, step)
        for axis, start, end, step in cuts
    }


def split(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Split: each output is a slice."""
    source = node.inputs[0]
    assert source is not None
    axis = node_axis(node, 0, len(layout))
    start = sum(dims(value)[axis] for value in node.outputs[:output])
    return pick(
        lifter, node, output, layout, {axis: np.arange(start, start + dims(node.outputs[output])[axis])}
    )


def pick(
    lifter: Lifter, node: ir.Node, output: int, layout: Layout, picks: dict[int, Ints]
) -> Combination | Declined:
    """Return a tensor that keeps, along some axes, the given places of its first input."""
    source = node.inputs[0]
    assert source is not None
    axes, own, moved = lifter.axes, list(layout), False
    for axis, places in picks.items():
        if len(places) == dims(source)[axis] and (np.diff(places) == 1).all():
            continue
        as_row = is_row_axis(axes, layout[axis]) or (
            not axes.resolve(layout[axis]) and _stands_outside(axes, layout, axis)
        )
        if not as_row and not is_feature_axis(axes, layout[axis]):
            return ROWS_AND_FEATURES
        own[axis] = (
            _row_axis(axes, layout[axis], dims(source)[axis]) if as_row else axes.feature(dims(source)[axis])
        )
        moved = moved or not as_row
    value = lifter.lift(source, tuple(own))
    if moved:  # a selection of features, whatever it also does to rows, is a function unless rows stand still
        if len(picks) > 1 and any(is_row_axis(axes, own[axis]) for axis in picks):
            return Declined(
                "picks-rows-and-features", "it picks rows along one axis and features along another"
            )
        return lifter.apply(
            node,
            output,
            layout,
            [Operand(value, tuple(own), numpy_type(source)), *_rest(node)],
            zero_at=~value.support(),
        )
    ids = row_ids(axes, tuple(own))
    for axis, places in picks.items():
        ids = ids.take(places, axis=axis) if ids.shape[axis] > 1 else ids
    return value.moved(selection(axes, layout, ids, axes.rows(tuple(own))), axes.rows(layout))


def gather(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Gather with constant indices."""
    source, index = node.inputs[0], array_of(node.inputs[1])
    if source is None or index is None:
        return Declined("indices-not-constant", "its indices are not constant")
    axes, rank = lifter.axes, len(dims(source))
    axis = node_axis(node, 0, rank)
    new = layout[axis : axis + index.ndim]
    before, after, size = layout[:axis], layout[axis + index.ndim :], dims(source)[axis]
    flat = tuple(factor for part in new for factor in axes.resolve(part))
    places = places_in(index, size)
    if places is None:
        return PLACES_OUTSIDE
    as_row = is_row_axis(axes, flat) or (not flat and _stands_outside(axes, (*before, (), *after), axis))
    if not as_row and not is_feature_axis(axes, flat):
        return ROWS_AND_FEATURES
    own = (*before, _row_axis(axes, flat, size) if as_row else axes.feature(size), *after)
    value = lifter.lift(source, own)
    if not as_row:
        operands = [Operand(value, own, numpy_type(source)), *_rest(node)]
        return lifter.apply(node, output, layout, operands, zero_at=~value.support())
    ids = row_ids(axes, own)
    return value.moved(
        selection(axes, layout, ids.take(places, axis=axis), axes.rows(own)), axes.rows(layout)
    )


def concat(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Concat: rows one after the other, or features side by side."""
    axes, axis = lifter.axes, node_axis(node, 0, len(layout))
    rows = axes.rows(layout)
    if is_feature_axis(axes, layout[axis]):
        operands: list[Operand | Parameter] = []
        zero = np.ones(size_of(rows), dtype=np.bool_)
        for source in node.inputs:
            assert source is not None
            own = (*layout[:axis], axes.feature(dims(source)[axis]), *layout[axis + 1 :])
            value = lifter.broadcast(source, own, rows)
            operands.append(Operand(value, own, numpy_type(source)))
            zero &= ~value.support()
        return lifter.apply(node, output, layout, operands, zero_at=zero)
    if not is_row_axis(axes, layout[axis]):
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
    picks = _slice_picks(node) if node is not None and node.op_type == "Slice" and node.domain == "" else None
    source = None if node is None else node.inputs[0]
    if picks is None or source is None or list(picks) != [axis]:
        return None
    whole = (*own[:axis], lifter.axes.row_like(like, dims(source)[axis]), *own[axis + 1 :])
    cut = row_ids(lifter.axes, whole).take(picks[axis], axis=axis)
    found = lifter.lift(source, whole)
    rows = lifter.axes.rows(own)
    return found.moved(selection(lifter.axes, own, cut, lifter.axes.rows(whole)), rows)


def pad(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
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
            if not is_row_axis(axes, layout[axis]):
                return Declined("pads-features", "it pads an axis of features")
            own[axis] = axes.row_like(layout[axis], dims(source)[axis])
            ids = ids.take(np.arange(before, before + dims(source)[axis]), axis=axis)
    targets = by_row(axes, tuple(own), ids)
    rows = axes.rows(layout)
    return lifter.lift(source, tuple(own)).moved(RowMap.injection(targets, size_of(rows)), rows)


def _stands_outside(axes: Axes, layout: Layout, axis: int) -> bool:
    """Return whether only rows stand left of an axis that a selection of one index has removed."""
    return all(is_feature_axis(axes, part) is False or not part for part in layout[:axis]) and bool(
        axes.rows(layout)
    )


def _row_axis(axes: Axes, like: Axis, size: int) -> Axis:
    return axes.row_like(like, size) if axes.resolve(like) else axes.outer_row(size)


def _rest(node: ir.Node) -> list[Operand | Parameter]:
    return [Parameter(value) for value in node.inputs[1:]]


def selection(axes: Axes, layout: Layout, picked: Ints, own: Axis) -> RowMap:
    """Return the map whose row, at each place of a tensor of that layout, is the input row picked there."""
    return RowMap.selection(by_row(axes, layout, picked), size_of(own))


RULES: dict[str, Rule] = {
    **dict.fromkeys(VIEWS, regroup),
    **dict.fromkeys(of("repeat"), expand),
    "Transpose": transpose,
    "Slice": slice_,
    "Split": split,
    "Gather": gather,
    "Concat": concat,
    "Pad": pad,
}
