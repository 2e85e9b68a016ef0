"""Turn a found site into the internal operator: take its inputs from where they come from, its output to where it goes.

Inputs are taken as they are where that can be shown (see `recognise_peel`). Where it cannot, they are put together from
what GridSample reads, which is always right and costs a few moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.attention.inputs_of import (
    Level,
    Peeled,
    grid_order,
    peeled_locations,
    peeled_value,
    peeled_weights,
    spread_weight,
)  # fmt: skip
from specialize.attention.match import BATCH, CHANNEL, Site
from specialize.attention.operator import Attention, Sizes, make_attention
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.shapes import dims
from specialize.graph.snippets import slice_of
from specialize.graph.views import MOVES, View, moved


def rewrite_site(site: Site, builder: Builder) -> tuple[ir.Value, ir.Value, Attention] | Declined:
    """Make the internal operator of a site.

    Returns:
        The value of the graph that is replaced, what replaces it, and the operator; or why it cannot be done.
    """
    levels = _levels(site)
    first = site.parts[0]
    maps = tuple((dims(level.image)[2], dims(level.image)[3]) for level in levels)
    queries, points = (math.prod(size for size, _ in axis) for axis in (first.queries, first.points))
    best: tuple[int, Sizes, Peeled | None, Peeled | None, Peeled | None] | None = None
    for heads in (heads for heads in range(1, first.batch + 1) if first.batch % heads == 0):
        sizes = Sizes(first.batch // heads, queries, heads, points, first.channels, maps)
        found = (peeled_value(levels, sizes), peeled_locations(levels, sizes), peeled_weights(site, sizes))
        score = sum(worth for worth, each in zip((3, 1, 1), found, strict=True) if each is not None)
        if best is None or score > best[0]:
            best = (score, sizes, *found)
    assert best is not None
    _, sizes, value, locations, weights = best
    made = (
        _joined_weights(builder, site, sizes) if weights is None else _taken(builder, weights, sizes.weights)
    )
    if isinstance(made, Declined):
        return made
    if locations is None:
        places = _joined_locations(builder, levels, sizes)
    else:
        places = _taken(builder, locations, sizes.locations)
    maps_ = _joined_value(builder, levels, sizes) if value is None else _taken(builder, value, sizes.value)
    attention = Attention(sizes, maps_, places, made)
    result = make_attention(builder, attention)
    old, new = _placed(builder, site, sizes, result)
    return old, new, attention


def _levels(site: Site) -> list[Level]:
    levels = []
    for part in site.parts:
        for sample in part.samples:
            image, grid = sample.inputs[0], sample.inputs[1]
            assert image is not None and grid is not None
            levels.append(Level(part, sample, image, grid))
    return levels


def _taken(builder: Builder, peeled: Peeled, shape: Sequence[int]) -> ir.Value:
    """Return the tensor that was found, or the part of it that is meant, in the operator's shape."""
    total = math.prod(dims(peeled.value)) // peeled.unit
    if (peeled.start, peeled.count) == (0, total):
        return builder.reshape(peeled.value, shape)
    units = builder.reshape(peeled.value, [total, peeled.unit])
    return builder.reshape(slice_of(builder, units, 0, peeled.start, peeled.count), shape)


def _joined_value(builder: Builder, levels: Sequence[Level], sizes: Sizes) -> ir.Value:
    width = sizes.heads * sizes.channels
    parts = []
    for level, (height, across) in zip(levels, sizes.levels, strict=True):
        flat = builder.reshape(level.image, [sizes.batch, width, height * across])
        parts.append(builder.node("Transpose", [flat], [sizes.batch, height * across, width], perm=[0, 2, 1]))
    return builder.reshape(_concat(builder, parts, 1), sizes.value)


def _joined_locations(builder: Builder, levels: Sequence[Level], sizes: Sizes) -> ir.Value:
    parts = []
    for level in levels:
        one, half = (builder.constant(np.array(number, dtype=np.float32)) for number in (1.0, 0.5))
        raised = builder.node("Add", [level.grid, one], dims(level.grid))
        found = builder.node("Mul", [raised, half], dims(level.grid))
        order = grid_order(level.part)
        places = sorted((*level.part.queries, *level.part.points), key=lambda factor: -factor[1])
        found = _permuted(builder, found, [level.part.batch, *(size for size, _ in places), 2], order)
        shape = [sizes.batch, sizes.heads, sizes.queries, sizes.points * 2]
        parts.append(_permuted(builder, found, shape, [0, 2, 1, 3]))
    return builder.reshape(_concat(builder, parts, 3), sizes.locations)


def _joined_weights(builder: Builder, site: Site, sizes: Sizes) -> ir.Value | Declined:
    made = []
    for part in site.parts:
        view = spread_weight(part, View.natural(dims(part.weight)))
        if view is None:
            return Declined("weights-per-channel", "the weights differ between channels")
        weight = _arranged(builder, part.weight, view)
        if weight is None:
            return Declined("part-only", "the weights are used in part only")
        shape = [sizes.batch, sizes.heads, sizes.queries, len(part.samples) * sizes.points]
        made.append(_permuted(builder, weight, shape, [0, 2, 1, 3]))
    return builder.reshape(_concat(builder, made, 3), sizes.weights)


def _arranged(builder: Builder, value: ir.Value, view: View) -> ir.Value | None:
    """Return the tensor that a view of a value is; None if it leaves elements out."""
    flat = [factor for axis in view.axes for factor in axis]
    moving = [factor for factor in flat if factor[1]]
    ordered = sorted(moving, key=lambda factor: -factor[1])
    if (
        view.offset
        or View(0, tuple((factor,) for factor in ordered)).reshape([math.prod(dims(value))]) is None
    ):
        return None
    if not View(0, tuple((factor,) for factor in ordered)).is_natural():
        return None
    made = _permuted(
        builder, value, [size for size, _ in ordered], [ordered.index(factor) for factor in moving]
    )
    if len(moving) < len(flat):
        wide = [size for size, _ in flat]
        made = builder.reshape(made, [size if stride else 1 for size, stride in flat])
        made = builder.node("Expand", [made, builder.constant(np.array(wide, dtype=np.int64), "shape")], wide)
    return builder.reshape(made, view.shape)


def _concat(builder: Builder, parts: list[ir.Value], axis: int) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    shape = list(dims(parts[0]))
    shape[axis] = sum(dims(part)[axis] for part in parts)
    return builder.node("Concat", parts, shape, axis=axis)


def _permuted(builder: Builder, value: ir.Value, shape: Sequence[int], order: Sequence[int]) -> ir.Value:
    """Return a value reshaped and then transposed, the transposition left out if it changes nothing."""
    shaped = builder.reshape(value, shape)
    if list(order) == sorted(order):
        return shaped
    return builder.node("Transpose", [shaped], [shape[place] for place in order], perm=list(order))


def _placed(builder: Builder, site: Site, sizes: Sizes, result: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the value that is replaced, as far down as moves only undo each other, and what replaces it."""
    part = site.parts[0]
    kept = sorted(range(len(part.result)), key=lambda index: _result_key(part.result[index]))
    canonical = [part.result[index][1] for index in kept]
    order = [kept.index(index) for index in range(len(kept))]
    heads_out = (sizes.batch, sizes.queries, sizes.heads, sizes.channels)
    view = View.natural(heads_out).transpose([0, 2, 3, 1]).reshape(canonical)
    out = None if view is None else view.transpose(order).reshape(dims(site.output))
    last = None if out is None else _farthest(site.output, out)
    if last is not None:
        return last, builder.reshape(result, dims(last))
    value = _permuted(builder, result, heads_out, [0, 2, 3, 1])
    value = _permuted(builder, value, canonical, order)
    return site.output, builder.reshape(value, dims(site.output))


def _result_key(factor: tuple[int, int, int]) -> tuple[int, int]:
    role, _, stride = factor
    return {BATCH: 0, CHANNEL: 1}.get(role, 2), -stride


def _farthest(value: ir.Value, view: View) -> ir.Value | None:
    """Return the last value, following moves, that is the result in its own order; None if there is none."""
    found: ir.Value | None = None
    while True:
        if view.is_natural():
            found = value
        uses = list(value.uses())
        if len(uses) != 1 or value.is_graph_output() or uses[0].idx != 0 or uses[0].node.op_type not in MOVES:
            return found
        value = uses[0].node.outputs[0]
        if len(uses[0].node.outputs) != 1:
            return found
        after = moved(value, view)
        if after is None or math.prod(after.shape) != math.prod(view.shape):
            return found
        view = after
