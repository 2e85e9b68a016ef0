"""Overwrites: rows of one axis written one set after the other, the last write of a place counting.

`volume[:, seen] = feature` for each camera in turn writes the same places in every channel. Its indices list channel
and place of every element; taken apart, they are one table of places for all channels, and the whole chain of writes
is one Gather from what is written, side by side, and what was there before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.nodes import array_of
from specialize.graph.ops import text
from specialize.graph.shape_arithmetic import places_in
from specialize.graph.shapes import dims, is_static

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Overwrite:
    """A scatter that replaces places of one axis, in the whole of all others.

    Attributes:
        node: The ScatterND.
        axis: That axis.
        places: Which places, each once.
    """

    node: ir.Node
    axis: int
    places: Ints


def read_overwrite(node: ir.Node) -> Overwrite | None:
    """Return what a ScatterND with constant indices replaces, if it is places of one axis and no range of them."""
    if node.op_type != "ScatterND" or node.domain != "" or PASS_KEY in node.metadata_props:
        return None
    reduction = text(node, "reduction")
    indices, data, updates = array_of(node.inputs[1]), node.inputs[0], node.inputs[2]
    if reduction != "none" or indices is None or data is None or updates is None or not indices.size:
        return None
    if not (is_static(data) and is_static(updates)):
        return None
    axis, sizes = indices.shape[-1] - 1, dims(data)
    if indices.ndim - 1 != axis + 1 or indices.shape[:axis] != sizes[:axis]:
        return None
    for place in range(axis):
        own = np.arange(sizes[place]).reshape([-1 if other == place else 1 for other in range(axis + 1)])
        if (indices[..., place] != own).any():
            return None
    places = indices[..., axis].reshape(-1, indices.shape[axis])
    if (places != places[:1]).any():
        return None
    found = places_in(places[0], sizes[axis])
    if found is None:
        return None  # outside of the axis: no runtime computes that
    if len(np.unique(found)) != len(found) or np.array_equal(found, found[0] + np.arange(len(found))):
        return None  # a range is a slice, which needs no table
    return Overwrite(node, axis, found)


def follower(write: Overwrite) -> Overwrite | None:
    """Return the write that alone reads what a write makes, and writes to it on the same axis."""
    value = write.node.outputs[0]
    uses = list(value.uses())
    if len(uses) != 1 or uses[0].idx != 0 or value.is_graph_output():
        return None
    after = read_overwrite(uses[0].node)
    return after if after is not None and after.axis == write.axis else None


def chain_to(last: Overwrite) -> list[Overwrite]:
    """Return the writes that end in one, in their order."""
    chain = [last]
    while True:
        data = chain[0].node.inputs[0]
        made = None if data is None else data.producer()
        before = None if made is None else read_overwrite(made)
        if before is None or follower(before) is None or before.axis != last.axis:
            return chain
        chain.insert(0, before)


def write_chain(builder: Builder, chain: list[Overwrite]) -> ir.Value:
    """Return what a chain of writes makes, by one Gather."""
    axis, data = chain[0].axis, chain[0].node.inputs[0]
    assert data is not None
    shape = list(dims(data))
    written = np.unique(np.concatenate([write.places for write in chain]))
    pieces: list[ir.Value] = []
    source, start = np.zeros(shape[axis], dtype=np.int64), 0
    if len(written) < shape[axis]:
        pieces.append(_before(builder, data, axis))
        start = dims(pieces[0])[axis]
        source = np.arange(shape[axis]) if start == shape[axis] else source
    for write in chain:
        updates = write.node.inputs[2]
        assert updates is not None
        pieces.append(updates)
        source[write.places] = start + np.arange(len(write.places))
        start += len(write.places)
    joined = pieces[0]
    if len(pieces) > 1:
        joined = builder.node("Concat", pieces, [*shape[:axis], start, *shape[axis + 1 :]], axis=axis)
    return builder.node("Gather", [joined, builder.constant(source, "from")], shape, axis=axis)


def _before(builder: Builder, data: ir.Value, axis: int) -> ir.Value:
    """Return what is written to; a constant that is the same at all places, at one of them."""
    array = array_of(data)
    if array is None:
        return data
    one = array.take([0], axis=axis)
    return (
        builder.constant(one, "before") if np.array_equal(np.broadcast_to(one, array.shape), array) else data
    )
