"""Operators that pick rows: Slice, Split, Gather with constant indices, and sampling the nearest pixel of known places.

Along row axes each of them is a row map. Along feature axes it is a row-wise function like any other.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, cuts_of, node_axis
from specialize.graph.ops import text
from specialize.graph.running import compute_like
from specialize.graph.shape_arithmetic import PLACES_OUTSIDE, places_in, sliced
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axes, Axis, Layout, factors_of, row_ids
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Operand
from specialize.rows.lift import ROWS_AND_FEATURES, Lifter, parameters_of, selection
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted

Ints = npt.NDArray[np.int64]

LARGEST_EXACT = 1 << 24
"""Pixels that float32 can number."""


def lift_slice(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Slice with constant bounds."""
    picks = slice_picks(node)
    if picks is None:
        return Declined("bounds-not-constant", "its bounds are not constant")
    return pick(lifter, node, output, layout, picks)


def slice_picks(node: ir.Node) -> dict[int, Ints] | None:
    """Return which places a Slice keeps along which axes; None if its bounds are not constant."""
    source, cuts = node.inputs[0], cuts_of(node)
    if source is None or cuts is None:
        return None
    return {
        axis % len(dims(source)): sliced(dims(source)[axis], start, end, step)
        for axis, start, end, step in cuts
    }


def lift_split(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
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
    picks = {axis: places for axis, places in picks.items() if not _is_whole(places, dims(source)[axis])}
    for axis in picks:
        as_row = axes.is_row(layout[axis]) or (
            not axes.resolve(layout[axis]) and _stands_outside(axes, layout, axis)
        )
        if not as_row and not axes.is_feature(layout[axis]):
            return ROWS_AND_FEATURES
        own[axis] = (
            _row_axis(axes, layout[axis], dims(source)[axis]) if as_row else axes.feature(dims(source)[axis])
        )
        moved = moved or not as_row
    value = lifter.lift(source, tuple(own))
    if moved:  # a selection of features, whatever it also does to rows, is a function unless rows stand still
        if len(picks) > 1 and any(axes.is_row(own[axis]) for axis in picks):
            return Declined(
                "picks-rows-and-features", "it picks rows along one axis and features along another"
            )
        operands = [Operand(value, tuple(own), numpy_type(source)), *parameters_of(node)]
        return lifter.apply(node, output, layout, operands, zero_at=~value.support())
    ids = row_ids(axes, tuple(own))
    for axis, places in picks.items():
        ids = ids.take(places, axis=axis) if ids.shape[axis] > 1 else ids
    return value.moved(selection(axes, layout, ids, axes.rows(tuple(own))), axes.rows(layout))


def _is_whole(places: Ints, size: int) -> bool:
    """Return whether places are all of an axis, in order."""
    return np.array_equal(places, np.arange(size))


def lift_gather(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
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
    as_row = axes.is_row(flat) or (not flat and _stands_outside(axes, (*before, (), *after), axis))
    if not as_row and not axes.is_feature(flat):
        return ROWS_AND_FEATURES
    own = (*before, _row_axis(axes, flat, size) if as_row else axes.feature(size), *after)
    value = lifter.lift(source, own)
    if not as_row:
        operands = [Operand(value, own, numpy_type(source)), *parameters_of(node)]
        return lifter.apply(node, output, layout, operands, zero_at=~value.support())
    ids = row_ids(axes, own)
    return value.moved(
        selection(axes, layout, ids.take(places, axis=axis), axes.rows(own)), axes.rows(layout)
    )


def emit_pick(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Slice, Split and Gather of features on the axes as they are, rows in the place of the queries."""
    operand = base.operand(0)
    own, out = emitter.substitute(operand.layout, at), emitter.substitute(base.layout, at)
    value = emitter.regroup(emitter.operand(operand, at), own)
    shape = [size_of(axis) for axis in out]
    if len(base.node.outputs) == 1:
        made = emitter.builder.copy(base.node, [value, *base.parameters()], shape)
    else:
        axis = node_axis(base.node, 0, len(out))
        shapes = [[*dims(value)[:axis], dims(o)[axis], *dims(value)[axis + 1 :]] for o in base.node.outputs]
        sizes = emitter.builder.constant([dims(o)[axis] for o in base.node.outputs], "sizes")
        made = emitter.builder.nodes("Split", [value, sizes], shapes, axis=axis)[base.output]
    return Emitted(made, factors_of(out))


def is_pick(node: ir.Node) -> bool:
    """Return whether a GridSample is a gather: the nearest pixel of places that are known."""
    return (
        node.op_type == "GridSample"
        and text(node, "mode") == "nearest"
        and array_of(node.inputs[1]) is not None
    )


def lift_nearest(lifter: Lifter, node: ir.Node, layout: Layout) -> Combination | None:
    """Return the nearest pixels of known places as a row map of the image's pixels.

    The runtime rounds: it samples an image of pixel numbers, and the result is which pixel is nearest.
    """
    image, grid = node.inputs[0], array_of(node.inputs[1])
    axes = lifter.axes
    if not is_pick(node) or image is None or grid is None or not axes.is_feature(layout[1]):
        return None
    batch, *sides = layout[0], *layout[2:]
    pixels = math.prod(dims(image)[2:])
    same = axes.is_feature(batch) and (grid == grid[:1]).all()
    placed = all(
        axes.is_row(axis) or not axes.resolve(axis) for axis in (*sides, *(() if same else (batch,)))
    )
    if not placed or not axes.rows(tuple(sides)) or pixels >= LARGEST_EXACT:
        return None
    numbers = np.arange(1, pixels + 1, dtype=np.float32).reshape(1, 1, *dims(image)[2:])
    numbers = np.broadcast_to(numbers, (len(grid), *numbers.shape[1:]))
    found = np.rint(compute_like(node, [np.ascontiguousarray(numbers), grid])).astype(np.int64) - 1
    own = (
        *layout[:2],
        *(axes.row_like(axis, size) for axis, size in zip(sides, dims(image)[2:], strict=True)),
    )
    value = lifter.lift(image, own)
    ids = row_ids(axes, own)
    ids = ids.reshape(ids.shape[0], 1, -1)  # (batch, 1, pixels)
    flat = found[: len(ids)].reshape(len(ids), 1, -1)
    picked = np.where(flat < 0, -1, np.take_along_axis(ids, np.maximum(flat, 0), axis=2))
    return value.moved(selection(axes, layout, picked, axes.rows(own)), axes.rows(layout))


def _stands_outside(axes: Axes, layout: Layout, axis: int) -> bool:
    """Return whether only rows stand left of an axis that a selection of one index has removed."""
    return all(axes.is_feature(part) is False or not part for part in layout[:axis]) and bool(
        axes.rows(layout)
    )


def _row_axis(axes: Axes, like: Axis, size: int) -> Axis:
    return axes.row_like(like, size) if axes.resolve(like) else axes.outer_row(size)


RULES: dict[str, RowRule] = {
    "Slice": RowRule(lift_slice, emit_pick),
    "Split": RowRule(lift_split, emit_pick),
    "Gather": RowRule(lift_gather, emit_pick),
}
