"""One image per group of rows: every camera's rows sample that camera's image.

Packed `padded`, the cameras stay the batch of one operator. Packed `ragged`, the image and the rows are split by
camera, sampled, and joined again; cameras that see nothing are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement, group_of
from specialize.rows.axes import Axis, Layout
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Parameter, Term
from specialize.rows.rowmap import RowMap
from specialize.rows.tensors import Emitted, Parts

Sample = Callable[[ir.Value, list[ir.Value], int], ir.Value]
"""Returns an image sampled at its places, given how many rows there are."""


def sample_groups(
    emitter: Emitter,
    at: Arrangement,
    pictures: list[ir.Value],
    inputs: Sequence[tuple[ir.Value, int] | list[ir.Value]],
    sample: Sample,
    tokens: Axis,
) -> Parts:
    """Sample each group's image at that group's rows; the results stay apart until they are small.

    An input is a tensor of all rows with the axis to split it along, or what it was split to already.
    """
    used = [number for number, length in enumerate(at.lengths) if length]
    lengths = [at.lengths[number] for number in used]
    columns = [each if isinstance(each, list) else _split(emitter, *each, lengths) for each in inputs]
    pieces = []
    for index, (number, part) in enumerate(zip(used, at.parts, strict=True)):
        value = sample(pictures[number], [column[index] for column in columns], lengths[index])
        pieces.append(Emitted(value, tuple(part if token is at.row else token for token in tokens)))
    return Parts(tuple(pieces), at.row, at.parts)


def split_image(emitter: Emitter, image: Parameter, shared: Axis, groups: Layout) -> list[ir.Value]:
    """Return one image per group, each with the given axes."""
    flat = emitter.axes.flat(image.layout)
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


def with_group(emitter: Emitter, image: Parameter, at: Arrangement, shared: Axis) -> Emitted:
    """Return the image with the token of the groups where its own group factors stood."""
    flat = emitter.axes.flat(image.layout)
    assert image.value is not None
    if at.group is None or not shared:
        return Emitted(image.value, flat)
    first = flat.index(shared[0])
    rest = tuple(factor for factor in flat if factor not in shared)
    held = emitter.regroup(Emitted(image.value, flat), (rest[:first], shared, rest[first:]))
    return Emitted(held, (*rest[:first], at.group, *rest[first:]))


def in_groups(at: Arrangement, shared: Axis) -> bool:
    """Return whether the places of an arrangement go through the groups in order, as many as their lengths say."""
    if not shared:
        return True
    if any(factor not in at.rows for factor in shared) or len(at.lengths) != size_of(shared):
        return False
    expected = np.repeat(np.arange(len(at.lengths)), at.lengths)
    return np.array_equal(group_of(at.rows, shared, at.index), expected)


def regrouped(emitter: Emitter, base: Apply, at: Arrangement, shared: Axis) -> Emitted:
    """Emit a base in the order of the images that it reads, and pick its rows in the order of the arrangement."""
    rows = size_of(emitter.axes.resolve(base.rows))
    return emitter.combine((Term(RowMap.selection(at.index, rows), base),), at.tokens, groups=shared)
