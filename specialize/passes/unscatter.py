"""Unscatter: write rows and slices to constant places without a scatter.

What: ScatterND with constant indices  ->  Slice and Concat around the updates, if the places are a box (an in-place
    slice such as `tmp[..., 0:2] += ref`); one Gather from data and updates side by side, if they are any other places,
    and one for a chain of writes to places of one axis.
Why it is sound: constant places that differ from each other say for every element where it comes from.
Needs: fold, so that the indices are constants; compact, so that scatters that sum cameras are gone.
Declines when: the indices are not constant; places repeat; several updates are combined other than by addition.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, declined
from specialize.graph.ops import text
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shape_arithmetic import PLACES_OUTSIDE, flat_places
from specialize.graph.shapes import dims, is_static
from specialize.passes.overwrites import chain_to, follower, read_overwrite, write_chain

NAME = "unscatter"
Ints = npt.NDArray[np.int64]
Box = list[tuple[int, int]]


def unscatter(model: ir.Model) -> list[Note]:
    """Rewrite every ScatterND with constant places, in place."""
    notes = []
    for node in list(model.graph):
        if node.op_type == "ScatterND" and node.domain == "" and PASS_KEY not in node.metadata_props:
            note = _rewrite(model.graph, node)
            notes += [] if note is None else [note]
    return notes


def _rewrite(graph: ir.Graph, node: ir.Node) -> Note | None:
    """Rewrite one scatter; None if it sums rows, which `gather_sums` writes, or a later write takes it along."""
    known = read_overwrite(node)
    if known is not None and follower(known) is not None:
        return None
    where = node.name or str(node.outputs[0].name)
    data, indices, updates = node.inputs[0], array_of(node.inputs[1]), node.inputs[2]
    reduction = text(node, "reduction")
    if indices is None or data is None or updates is None:
        return declined(
            NAME, where, Declined("indices-not-constant", "the places it writes to are not constant")
        )
    if not (is_static(data) and is_static(updates)) or reduction not in ("none", "add"):
        return declined(NAME, where, Declined("reduction", f"reduction {reduction!r} or a dynamic shape"))
    places = flat_places(indices, dims(data))
    if places is None:
        return declined(NAME, where, PLACES_OUTSIDE)
    repeated = len(np.unique(places)) != len(places)
    if repeated and reduction == "add":
        return None
    if repeated:
        return declined(NAME, where, Declined("written-twice", "a place is written more than once"))
    builder = Builder(graph, node, f"specialize/{where}", {PASS_KEY: NAME})
    box = _as_box(places, dims(data)[: indices.shape[-1]])
    if box is not None:
        result = _write_box(builder, data, updates, box, reduction)
        told = "a slice, written by Slice and Concat"
    elif known is not None:
        chain = chain_to(known)
        result = write_chain(builder, chain)
        many = f"{len(chain)} writes" if len(chain) > 1 else "one write"
        told = f"{many} to places of one axis, by one Gather of {dims(data)[known.axis]} rows"
    else:
        result = _write_rows(builder, data, updates, places, reduction)
        told = f"{len(places)} places, written by one Gather"
    replace(graph, node.outputs[0], result)
    remove_unused(graph, node)
    return Note(NAME, "applied", where, told)


def _as_box(places: Ints, shape: tuple[int, ...]) -> Box | None:
    """Return the range on every axis if the places are all of a box, in order; otherwise None."""
    if not len(places):
        return None
    coordinates = np.unravel_index(places, shape)
    box = [(int(axis.min()), int(axis.max()) + 1) for axis in coordinates]
    ids = np.arange(int(np.prod(shape))).reshape(shape)
    inside = ids[tuple(slice(start, end) for start, end in box)].ravel()
    return box if np.array_equal(inside, places) else None


def _write_box(builder: Builder, data: ir.Value, updates: ir.Value, box: Box, reduction: str) -> ir.Value:
    """Return data with the updates in the place of a box, or added to it."""
    size = [end - start for start, end in box] + list(dims(data)[len(box) :])
    return _replaced(builder, data, builder.reshape(updates, size), box, 0, reduction)


def _replaced(
    builder: Builder, data: ir.Value, inner: ir.Value, box: Box, axis: int, reduction: str
) -> ir.Value:
    """Return data, cut to the box on the axes before this one, with the box replaced on this one and those after."""
    if axis == len(box):
        return inner if reduction == "none" else builder.node("Add", [data, inner], dims(data))
    start, end = box[axis]
    size = dims(data)[axis]
    middle = _replaced(builder, _cut(builder, data, axis, start, end), inner, box, axis + 1, reduction)
    pieces = [middle]
    if start > 0:
        pieces.insert(0, _cut(builder, data, axis, 0, start))
    if end < size:
        pieces.append(_cut(builder, data, axis, end, size))
    return middle if len(pieces) == 1 else builder.node("Concat", pieces, dims(data), axis=axis)


def _cut(builder: Builder, data: ir.Value, axis: int, start: int, end: int) -> ir.Value:
    if (start, end) == (0, dims(data)[axis]):
        return data
    bounds = [builder.constant(np.array([number], dtype=np.int64), "bound") for number in (start, end, axis)]
    shape = [end - start if place == axis else size for place, size in enumerate(dims(data))]
    return builder.node("Slice", [data, *bounds], shape)


def _write_rows(
    builder: Builder, data: ir.Value, updates: ir.Value, places: Ints, reduction: str
) -> ir.Value:
    """Return data with rows replaced, or increased, by one Gather from both side by side."""
    width = int(np.prod(dims(updates), dtype=np.int64)) // max(1, len(places))
    total = int(np.prod(dims(data), dtype=np.int64)) // max(1, width)
    rows = builder.reshape(data, [1, total, width])
    given = builder.reshape(updates, [1, len(places), width])
    if reduction == "none":
        beside, source = rows, np.arange(total)
        source[places] = total + np.arange(len(places))
        joined = builder.node("Concat", [beside, given], [1, total + len(places), width], axis=1)
        picked = _pick(builder, joined, source, width)
        return builder.reshape(picked, dims(data))
    assert data.dtype is not None
    zero = builder.constant(np.zeros((1, 1, width), dtype=data.dtype.numpy()), "zeros")
    source = np.full(total, len(places))
    source[places] = np.arange(len(places))
    joined = builder.node("Concat", [given, zero], [1, len(places) + 1, width], axis=1)
    added = builder.node("Add", [rows, _pick(builder, joined, source, width)], [1, total, width])
    return builder.reshape(added, dims(data))


def _pick(builder: Builder, value: ir.Value, source: Ints, width: int) -> ir.Value:
    index = builder.constant(source.astype(np.int64), "from")
    return builder.node("Gather", [value, index], [1, len(source), width], axis=1)
