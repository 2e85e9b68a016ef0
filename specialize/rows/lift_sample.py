"""Lift rules of sampling operators: functions of the sampling places that read an image per camera."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.ops import text
from specialize.graph.running import compute_like
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.axes import Layout, row_ids
from specialize.rows.expr import Combination, Operand, Parameter
from specialize.rows.lift import Lifter, Rule, array_of, node_axis
from specialize.rows.lift_moves import is_feature_axis, is_row_axis, selection

ATTENTION_FORM = Declined("attention-form", "it does not have four inputs and a result of three axes")
NO_PLACES = Declined("rows-are-not-places", "rows are not what it samples, one each")

LARGEST_EXACT = 1 << 24
"""Pixels that float32 can number."""


def grid_sample(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """GridSample: a function of the sampling places, the same image for all rows of a group (a camera)."""
    image, grid = node.inputs[0], node.inputs[1]
    assert image is not None and grid is not None
    picked = _nearest(lifter, node, layout)
    if picked is not None:
        return picked
    if not is_feature_axis(lifter.axes, layout[1]) or not lifter.axes.rows(layout[2:]):
        return NO_PLACES
    places = (layout[0], *layout[2:], lifter.axes.feature(dims(grid)[-1]))
    picture = (*layout[:2], *(lifter.axes.feature(size) for size in dims(image)[2:]))
    value = lifter.lift(grid, places)
    return lifter.apply(
        node,
        output,
        layout,
        [Parameter(image, picture), Operand(value, places, numpy_type(grid))],
        zero_at=False,
    )


def is_pick(node: ir.Node) -> bool:
    """Return whether a GridSample is a gather: the nearest pixel of places that are known."""
    return (
        node.op_type == "GridSample"
        and text(node, "mode") == "nearest"
        and array_of(node.inputs[1]) is not None
    )


def _nearest(lifter: Lifter, node: ir.Node, layout: Layout) -> Combination | None:
    """Return the nearest pixels of known places as a row map of the image's pixels.

    Which pixel is nearest is what the runtime says: it is asked with an image of pixel numbers.
    """
    image, grid = node.inputs[0], array_of(node.inputs[1])
    axes = lifter.axes
    if not is_pick(node) or image is None or grid is None or not is_feature_axis(axes, layout[1]):
        return None
    batch, *sides = layout[0], *layout[2:]
    pixels = math.prod(dims(image)[2:])
    same = is_feature_axis(axes, batch) and (grid == grid[:1]).all()
    placed = all(
        is_row_axis(axes, axis) or not axes.resolve(axis) for axis in (*sides, *(() if same else (batch,)))
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


def gather_pixels(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """GatherElements at computed places: a function of the places, the same pixels for all rows of a group."""
    pixels, places = node.inputs[0], node.inputs[1]
    if pixels is None or places is None or array_of(places) is not None:
        return Declined("places-constant", "its places are constant")
    axis = node_axis(node, 0, len(layout))
    others = [size for place, size in enumerate(dims(pixels)) if place != axis]
    if others != [size for place, size in enumerate(dims(places)) if place != axis]:
        return Declined("indices-cover-a-part", "its places are for a part of the other axes")
    if not lifter.axes.rows((layout[axis],)):
        return NO_PLACES
    picture = (*layout[:axis], lifter.axes.feature(dims(pixels)[axis]), *layout[axis + 1 :])
    operand = Operand(lifter.lift(places, layout), layout, numpy_type(places))
    return lifter.apply(node, output, layout, [Parameter(pixels, picture), operand], zero_at=False)


def deformable_attention(
    lifter: Lifter, node: ir.Node, output: int, layout: Layout
) -> Combination | Declined:
    """`MultiScaleDeformableAttn(value, shapes, locations, weights)`: rows are queries, groups are batch items."""
    value, shapes, places, weights = node.inputs[:4]
    if value is None or shapes is None or places is None or weights is None:
        return ATTENTION_FORM
    if len(layout) != 3 or len(node.inputs) != 4:
        return ATTENTION_FORM
    axes = lifter.axes
    heads, channels = dims(value)[2], dims(value)[3]
    grouped = axes.regroup((layout[2],), [heads, channels])
    if grouped is None or not is_feature_axis(axes, layout[2]):
        return NO_PLACES
    head, channel = grouped
    picture = (layout[0], axes.feature(dims(value)[1]), head, channel)
    levels, points = axes.feature(dims(places)[3]), axes.feature(dims(places)[4])
    at = (*layout[:2], head, levels, points, axes.feature(2))
    by = (*layout[:2], head, levels, points)
    operands: list[Operand | Parameter] = [
        Parameter(value, picture),
        Parameter(shapes),
        Operand(lifter.lift(places, at), at, numpy_type(places)),
    ]
    return lifter.apply(
        node,
        output,
        layout,
        [*operands, Operand(lifter.lift(weights, by), by, numpy_type(weights))],
        zero_at=False,
    )


RULES: dict[str, Rule] = {"GridSample": grid_sample, "MultiScaleDeformableAttn": deformable_attention}
