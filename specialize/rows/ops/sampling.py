"""Operators that sample images: functions of the sampling places that read one image per camera."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import node_axis
from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, factors_of
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Operand, Parameter
from specialize.rows.group_images import in_groups, regrouped, sample_groups, split_image, with_group
from specialize.rows.lift import Lifter
from specialize.rows.ops.picks import lift_nearest
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted, Parts

ATTENTION_FORM = Declined("attention-form", "it does not have four inputs and a result of three axes")
NO_PLACES = Declined("rows-are-not-places", "rows are not what it samples, one each")


def lift_grid_sample(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """GridSample: a function of the sampling places, the same image for all rows of a group (a camera)."""
    image, grid = node.inputs[0], node.inputs[1]
    assert image is not None and grid is not None
    picked = lift_nearest(lifter, node, layout)
    if picked is not None:
        return picked
    if not lifter.axes.is_feature(layout[1]) or not lifter.axes.rows(layout[2:]):
        return NO_PLACES
    places = (layout[0], *layout[2:], lifter.axes.feature(dims(grid)[-1]))
    picture = (*layout[:2], *(lifter.axes.feature(size) for size in dims(image)[2:]))
    operand = lifter.operand(grid, places)
    return lifter.apply(node, output, layout, [Parameter(image, picture), operand], zero_at=False)


def emit_grid_sample(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit GridSample: grid (batch, rows, what else is sampled, 2), result (batch, channels, rows, what else)."""
    image, grid = base.operands
    assert isinstance(image, Parameter) and isinstance(grid, Operand)
    shared = emitter.axes.rows(image.layout)
    if not in_groups(at, shared):
        return regrouped(emitter, base, at, shared)
    own = emitter.substitute(grid.layout, at)
    per_batch = tuple(token for token in own[0] if token not in at.tokens)
    here = factors_of(own[1:-1])
    rest = tuple(token for token in here if token not in at.tokens)
    batch_group = (at.group,) if at.group is not None and shared else ()
    rows = tuple(token for token in at.tokens if token not in batch_group)
    deep = ((),) * (len(own) - 4)
    batch = _in_order(own[0], (*batch_group, *per_batch))
    places = emitter.regroup(emitter.operand(grid, at), (batch, rows, rest, *deep, own[-1]))
    channels = emitter.axes.resolve(image.layout[1])
    spatial = tuple(emitter.axes.resolve(axis) for axis in image.layout[2:])

    def sample(picture: ir.Value, inputs: list[ir.Value], count: int) -> ir.Value:
        shape = [dims(picture)[0], size_of(channels), count, size_of(rest), *(1 for _ in deep)]
        return emitter.builder.copy(base.node, [picture, *inputs], shape)

    result = (*batch, *channels, *rows, *rest)
    if batch_group or not shared:
        picture = emitter.regroup(with_group(emitter, image, at, shared), (batch, channels, *spatial))
        return Emitted(sample(picture, [places], size_of(rows)), result)
    pictures = split_image(emitter, image, shared, (per_batch, channels, *spatial))
    return sample_groups(emitter, at, pictures, [(places, 1)], sample, result)


def lift_pixels(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """GatherElements of pixels: a function of the places, the same pixels for all rows of a group."""
    pixels, places = node.inputs[0], node.inputs[1]
    assert pixels is not None and places is not None
    axis = node_axis(node, 0, len(layout))
    others = [size for place, size in enumerate(dims(pixels)) if place != axis]
    if others != [size for place, size in enumerate(dims(places)) if place != axis]:
        return Declined("indices-cover-a-part", "its sampling locations cover only a part of the other axes")
    if not lifter.axes.rows((layout[axis],)):
        return NO_PLACES
    picture = (*layout[:axis], lifter.axes.feature(dims(pixels)[axis]), *layout[axis + 1 :])
    operand = lifter.operand(places, layout)
    return lifter.apply(node, output, layout, [Parameter(pixels, picture), operand], zero_at=False)


def emit_pixels(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit GatherElements on (everything before, pixels or places, everything after).

    Without anything after it, the gathered axis is the last one, along which runtimes gather several times faster.
    """
    image, places = base.operands
    assert isinstance(image, Parameter) and isinstance(places, Operand)
    shared = emitter.axes.rows(image.layout)
    if not in_groups(at, shared):
        return regrouped(emitter, base, at, shared)
    axis = node_axis(base.node, 0, len(places.layout))
    own = emitter.substitute(places.layout, at)
    before = tuple(token for part in own[:axis] for token in part if token is not at.row)
    after = tuple(token for part in own[axis + 1 :] for token in part if token is not at.row)
    rows = (*(token for token in own[axis] if token is at.group), at.row)
    rest = tuple(token for token in own[axis] if token not in at.tokens)
    pixels = emitter.axes.resolve(image.layout[axis])
    model = ir.node("GatherElements", [], {"axis": 1}, num_outputs=1)
    model.outputs[0].type = base.node.outputs[0].type

    behind: Layout = (after,) if after else ()

    def sample(picture: ir.Value, inputs: list[ir.Value], count: int) -> ir.Value:
        shape = [size_of(before), count * size_of(rest), *map(size_of, behind)]
        return emitter.builder.copy(model, [picture, emitter.builder.reshape(inputs[0], shape)], shape)

    result = (*before, *rows, *rest, *after)
    if at.group is not None or not shared:
        index = emitter.regroup(emitter.operand(places, at), (before, rows, rest, after))
        picture = emitter.regroup(with_group(emitter, image, at, shared), (before, pixels, *behind))
        return Emitted(sample(picture, [index], size_of(rows)), result)
    pictures = split_image(emitter, image, shared, (before, pixels, *behind))
    own_places = [
        emitter.regroup(piece, (before, (part, *rest), *behind))
        for piece, part in zip(_split_places(emitter, places, at, result), at.parts, strict=True)
    ]
    return sample_groups(emitter, at, pictures, [own_places], sample, result)


def _split_places(emitter: Emitter, places: Operand, at: Arrangement, tokens: Axis) -> list[Emitted]:
    """Return the places of each group of rows; what is repeated for all channels is split before that.

    Args:
        emitter: Makes the nodes.
        places: Places in the image of each row's group.
        at: The rows, group by group.
        tokens: What places are numbered by, once they are repeated.
    """
    terms = places.value.terms
    base = terms[0].base if len(terms) == 1 else None
    picked = None if base is None else terms[0].map.take_rows(at.index).as_selection()
    if isinstance(base, Apply) and base.node.op_type == "Expand" and picked is not None:
        whole = emitter.operand(base.operand(0), at.at(emitter.axes.resolve(base.rows), picked))
    else:
        whole = emitter.operand(places, at)
    pieces = zip(emitter.split(whole, at), at.parts, strict=True)
    wanted = (
        (piece, tuple(part if token is at.row else token for token in tokens)) for piece, part in pieces
    )
    return [
        piece if isinstance(piece.held, np.ndarray) else emitter.spread(piece, own) for piece, own in wanted
    ]


def lift_deformable_attention(
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
    if grouped is None or not axes.is_feature(layout[2]):
        return NO_PLACES
    head, channel = grouped
    picture = (layout[0], axes.feature(dims(value)[1]), head, channel)
    levels, points = axes.feature(dims(places)[3]), axes.feature(dims(places)[4])
    at = (*layout[:2], head, levels, points, axes.feature(2))
    by = (*layout[:2], head, levels, points)
    operands: list[Operand | Parameter] = [
        Parameter(value, picture),
        Parameter(shapes),
        lifter.operand(places, at),
        lifter.operand(weights, by),
    ]
    return lifter.apply(node, output, layout, operands, zero_at=False)


def emit_deformable_attention(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit `MultiScaleDeformableAttn(value, shapes, locations, weights)` on (batch, rows)."""
    value, shapes, places, weights = base.operands
    assert isinstance(value, Parameter) and isinstance(shapes, Parameter)
    assert isinstance(places, Operand) and isinstance(weights, Operand)
    shared = emitter.axes.rows(value.layout)
    if not in_groups(at, shared):
        return regrouped(emitter, base, at, shared)
    group = (at.group,) if at.group is not None and shared else ()
    rows = tuple(token for token in at.tokens if token not in group)
    inputs = [
        emitter.regroup(
            emitter.operand(operand, at), (group, rows, *emitter.substitute(operand.layout, at)[2:])
        )
        for operand in (places, weights)
    ]
    features = tuple(emitter.axes.resolve(axis) for axis in value.layout[1:])
    tail = factors_of(features[1:])

    def sample(picture: ir.Value, given: list[ir.Value], count: int) -> ir.Value:
        shape = [dims(picture)[0], count, size_of(tail)]
        return emitter.builder.copy(base.node, [picture, shapes.value, *given], shape)

    result = (*group, *rows, *tail)
    if group or not shared:
        picture = emitter.regroup(with_group(emitter, value, at, shared), (group, *features))
        return Emitted(sample(picture, inputs, size_of(rows)), result)
    pictures = split_image(emitter, value, shared, ((), *features))
    return sample_groups(emitter, at, pictures, [(given, 1) for given in inputs], sample, result)


def _in_order(axis: Axis, tokens: Axis) -> Axis:
    """Return tokens in the order of an axis; those it lacks come first."""
    missing = tuple(token for token in tokens if token not in axis)
    return (*missing, *(token for token in axis if token in tokens))


RULES: dict[str, RowRule] = {
    "GridSample": RowRule(lift_grid_sample, emit_grid_sample),
    "MultiScaleDeformableAttn": RowRule(lift_deformable_attention, emit_deformable_attention),
}
