"""How sampling operators are emitted: every camera's rows sample that camera's image.

Packed `padded`, the cameras stay the batch of one operator. Packed `ragged`, the image and the rows are split by
camera, sampled, and joined again; cameras that see nothing are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement, group_of
from specialize.rows.axes import Axis, Layout, size_of
from specialize.rows.emit import Emitter, Handler
from specialize.rows.expr import Apply, Operand, Parameter, Term
from specialize.rows.lift import node_axis
from specialize.rows.rowmap import RowMap
from specialize.rows.tensors import Emitted, Parts

Sample = Callable[[ir.Value, list[ir.Value], int], ir.Value]


def grid_sample(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit GridSample: grid (batch, rows, what else is sampled, 2), result (batch, channels, rows, what else)."""
    image, grid = base.operands
    assert isinstance(image, Parameter) and isinstance(grid, Operand)
    shared = _shared_rows(emitter, image)
    if not _is_grouped(at, shared):
        return _regrouped(emitter, base, at)
    own = emitter.substitute(grid.layout, at)
    per_batch = tuple(token for token in own[0] if token not in at.tokens)
    here = [token for axis in own[1:-1] for token in axis]
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
        picture = emitter.regroup(_with_group(emitter, image, at, shared), (batch, channels, *spatial))
        return Emitted(sample(picture, [places], size_of(rows)), result)
    pictures = _split_image(emitter, image, shared, (per_batch, channels, *spatial))
    return _by_group(emitter, at, pictures, [(places, 1)], sample, result)


def gather_pixels(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit GatherElements on (everything before, pixels or places, everything after)."""
    image, places = base.operands
    assert isinstance(image, Parameter) and isinstance(places, Operand)
    shared = _shared_rows(emitter, image)
    if not _is_grouped(at, shared):
        return _regrouped(emitter, base, at)
    axis = node_axis(base.node, 0, len(places.layout))
    own = emitter.substitute(places.layout, at)
    before = tuple(token for part in own[:axis] for token in part)
    after = tuple(token for part in own[axis + 1 :] for token in part)
    rows = tuple(token for token in own[axis] if token in at.tokens)
    rest = tuple(token for token in own[axis] if token not in at.tokens)
    pixels = emitter.axes.resolve(image.layout[axis])
    model = ir.node("GatherElements", [], {"axis": 1}, num_outputs=1)
    model.outputs[0].type = base.node.outputs[0].type

    def sample(picture: ir.Value, inputs: list[ir.Value], count: int) -> ir.Value:
        shape = [size_of(before), count * size_of(rest), size_of(after)]
        return emitter.builder.copy(model, [picture, emitter.builder.reshape(inputs[0], shape)], shape)

    index = emitter.regroup(emitter.operand(places, at), (before, rows, rest, after))
    result = (*before, *rows, *rest, *after)
    if at.group is not None or not shared:
        picture = emitter.regroup(_with_group(emitter, image, at, shared), (before, pixels, after))
        return Emitted(sample(picture, [index], size_of(rows)), result)
    pictures = _split_image(emitter, image, shared, (before, pixels, after))
    return _by_group(emitter, at, pictures, [(index, 1)], sample, result)


def deformable_attention(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit `MultiScaleDeformableAttn(value, shapes, locations, weights)` on (batch, rows)."""
    value, shapes, places, weights = base.operands
    assert isinstance(value, Parameter) and isinstance(shapes, Parameter)
    assert isinstance(places, Operand) and isinstance(weights, Operand)
    shared = _shared_rows(emitter, value)
    if not _is_grouped(at, shared):
        return _regrouped(emitter, base, at)
    group = (at.group,) if at.group is not None and shared else ()
    rows = tuple(token for token in at.tokens if token not in group)
    inputs = [
        emitter.regroup(
            emitter.operand(operand, at), (group, rows, *emitter.substitute(operand.layout, at)[2:])
        )
        for operand in (places, weights)
    ]
    features = tuple(emitter.axes.resolve(axis) for axis in value.layout[1:])
    tail = tuple(factor for axis in features[1:] for factor in axis)

    def sample(picture: ir.Value, given: list[ir.Value], count: int) -> ir.Value:
        shape = [dims(picture)[0], count, size_of(tail)]
        return emitter.builder.copy(base.node, [picture, shapes.value, *given], shape)

    result = (*group, *rows, *tail)
    if group or not shared:
        picture = emitter.regroup(_with_group(emitter, value, at, shared), (group, *features))
        return Emitted(sample(picture, inputs, size_of(rows)), result)
    pictures = _split_image(emitter, value, shared, ((), *features))
    return _by_group(emitter, at, pictures, [(given, 1) for given in inputs], sample, result)


def _by_group(
    emitter: Emitter,
    at: Arrangement,
    pictures: list[ir.Value],
    inputs: list[tuple[ir.Value, int]],
    sample: Sample,
    tokens: Axis,
) -> Parts:
    """Sample each group's image at that group's rows; the results stay apart until they are small."""
    used = [number for number, length in enumerate(at.lengths) if length]
    lengths = [at.lengths[number] for number in used]
    columns = [_split(emitter, value, place, lengths) for value, place in inputs]
    pieces = []
    for index, (number, part) in enumerate(zip(used, at.parts, strict=True)):
        value = sample(pictures[number], [column[index] for column in columns], lengths[index])
        pieces.append(Emitted(value, tuple(part if token is at.row else token for token in tokens)))
    return Parts(tuple(pieces), at.row, at.parts)


def _split_image(emitter: Emitter, image: Parameter, shared: Axis, groups: Layout) -> list[ir.Value]:
    """Return one image per group, each with the given axes."""
    flat = tuple(factor for axis in emitter.axes.layout(image.layout) for factor in axis)
    assert image.value is not None
    first = (*shared, *groups[0])
    whole = emitter.regroup(Emitted(image.value, flat), (first, *groups[1:]))
    return _split(emitter, whole, 0, [size_of(groups[0])] * size_of(shared))


def _split(emitter: Emitter, value: ir.Value, axis: int, lengths: list[int]) -> list[ir.Value]:
    if len(lengths) == 1:
        return [value]
    shapes = [[*dims(value)[:axis], length, *dims(value)[axis + 1 :]] for length in lengths]
    sizes = emitter.builder.constant(np.array(lengths, dtype=np.int64), "sizes")
    return emitter.builder.nodes("Split", [value, sizes], shapes, axis=axis)


def _with_group(emitter: Emitter, image: Parameter, at: Arrangement, shared: Axis) -> Emitted:
    """Return the image with the token of the groups where its own group factors stood."""
    flat = tuple(factor for axis in emitter.axes.layout(image.layout) for factor in axis)
    assert image.value is not None
    if at.group is None or not shared:
        return Emitted(image.value, flat)
    first = flat.index(shared[0])
    rest = tuple(factor for factor in flat if factor not in shared)
    held = emitter.regroup(Emitted(image.value, flat), (rest[:first], shared, rest[first:]))
    return Emitted(held, (*rest[:first], at.group, *rest[first:]))


def _shared_rows(emitter: Emitter, image: Parameter) -> Axis:
    return emitter.axes.rows(image.layout)


def _is_grouped(at: Arrangement, shared: Axis) -> bool:
    """Return whether the places of an arrangement go through the groups in order, as many as their lengths say."""
    if not shared:
        return True
    if any(factor not in at.rows for factor in shared):
        return False
    expected = np.repeat(np.arange(len(at.lengths)), at.lengths)
    return np.array_equal(group_of(at.rows, shared, at.index), expected)


def _regrouped(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit a base in an order of its own and pick the places asked for."""
    rows = size_of(emitter.axes.resolve(base.rows))
    return emitter.combine((Term(RowMap.selection(at.index, rows), base),), at.tokens)


def _in_order(axis: Axis, tokens: Axis) -> Axis:
    """Return tokens in the order of an axis; those it lacks come first."""
    missing = tuple(token for token in tokens if token not in axis)
    return (*missing, *(token for token in axis if token in tokens))


HANDLERS: dict[str, Handler] = {
    "GridSample": grid_sample,
    "GatherElements": gather_pixels,
    "MultiScaleDeformableAttn": deformable_attention,
}
