"""Gather sums: add rows to constant places without a scatter.

What: ScatterND or ScatterElements that adds rows to constant places  ->  Gather and ReduceSum: the rows of a place are
    cut into runs whose lengths are powers of two, all runs of one length are summed at once, and the few sums of a
    place are added in the same way. Numbers times features that many rows share are summed by `pool_columns` first.
Why it is sound: a sum may be taken in any order. No row is read twice and none is padded, whatever the number of rows
    of a place. Places that a Slice cuts off, such as a spare one for points outside a grid, are not read. A scatter
    with repeated places is a race on runtimes that run it on several threads: ONNX Runtime's ScatterND loses
    additions on two threads.
Needs: fold, so that the places are constants; compact, so that scatters that sum cameras are gone. With `--mode tables`
    compact itself pools in blocks, whose number does not depend on the vehicle.
Declines when: the places are not constant; they differ within a row; the result is not rows that stand side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.nodes import array_of, cuts_of, node_axis
from specialize.graph.notes import Note, node_name
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shape_arithmetic import PLACES_OUTSIDE, flat_places, places_in, sliced
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.subgraphs import remove_dead
from specialize.passes.pool_columns import Sums, sum_columns
from specialize.passes.pool_points import read_points
from specialize.passes.row_pull import Ints, Rows, pull_rows, zero_rows
from specialize.rows.block_sums import factors_of

NAME = "gather_sums"
SCATTERS = frozenset({"ScatterND", "ScatterElements"})
LAST_FAN_IN = 2
"""Sums of one place up to which they are added side by side, those of fewer with zeros."""


@dataclass(frozen=True, slots=True)
class _Addition:
    """Rows that are added to rows: `updates[live[i]]` to row `places[i]` of `result`, which has `count` rows.

    `zero` rows are left out because a constant factor takes them away, `cut` rows because their places are cut off.
    """

    result: ir.Value
    data: ir.Value
    updates: Rows
    live: Ints
    places: Ints
    count: int
    zero: int
    cut: int


def gather_sums(model: ir.Model) -> list[Note]:
    """Rewrite every scatter of a graph that adds rows to constant places, in place."""
    notes = []
    for node in list(model.graph):
        if node.op_type not in SCATTERS or node.domain not in STANDARD or not adds(node):
            continue
        addition = _read(node)
        if isinstance(addition, str):
            notes.append(Note(NAME, "declined", node_name(node), addition))
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", _marks(node))
        replace(model.graph, addition.result, _write(builder, addition))
        last = addition.result.producer()
        remove_unused(model.graph, node if last is None else last)
        told = f"{len(addition.live):,} rows are added to {addition.count:,} without a scatter"
        told += f"; {addition.zero:,} are always zero" if addition.zero else ""
        told += f"; {addition.cut:,} are cut off" if addition.cut else ""
        notes.append(Note(NAME, "applied", node_name(node), told))
    if notes:
        remove_dead(model.graph)  # products that became matrix products
    return notes


def adds(node: ir.Node) -> bool:
    """Return whether a scatter adds to what is there."""
    return "reduction" in node.attributes and node.attributes["reduction"].as_string() == "add"


def _marks(node: ir.Node) -> dict[str, str]:
    """Return the metadata of what replaces a node: a site's nodes stay its nodes."""
    return {**node.metadata_props, PASS_KEY: NAME}


def _read(node: ir.Node) -> _Addition | str:
    data, indices, updates = node.inputs[0], array_of(node.inputs[1]), node.inputs[2]
    if indices is None or data is None or updates is None:
        return "the places it adds to are not constant"
    if not (is_static(data) and is_static(updates)):
        return "a shape is not known"
    places = flat_places(indices, dims(data)) if node.op_type == "ScatterND" else _rows_of_elements(node)
    if places is None:
        return PLACES_OUTSIDE.text
    if isinstance(places, str):
        return places
    depth = indices.shape[-1] if node.op_type == "ScatterND" else node_axis(node, 0, len(dims(data))) + 1
    width, count = math.prod(dims(data)[depth:]), math.prod(dims(data)[:depth])
    rows = Rows(updates, len(places), width)
    live = np.flatnonzero(~zero_rows(rows))
    base = array_of(data)
    cut = None if base is None or base.any() else cut_places(node, depth - 1)
    result, kept = cut or (node.outputs[0], np.arange(count))
    new = np.full(count, -1)
    new[kept] = np.arange(len(kept))
    read = live[new[places[live]] >= 0]
    return _Addition(
        result, data, rows, read, new[places[read]], len(kept), len(places) - len(live), len(live) - len(read)
    )


def cut_places(node: ir.Node, axis: int) -> tuple[ir.Value, Ints] | None:
    """Return what a Slice, the only reader of a node, leaves of its rows, and which rows; None if there is none.

    Args:
        node: The node.
        axis: Which axis of its output counts rows; those before it have one index.
    """
    value = node.outputs[0]
    readers = list(value.uses())
    if len(readers) != 1 or value.is_graph_output() or not is_static(value):
        return None
    (reader, place), result = readers[0], readers[0].node.outputs[0]
    if reader.op_type != "Slice" or reader.domain not in STANDARD or reader.graph is not node.graph or place:
        return None
    cuts, shape = cuts_of(reader), dims(value)
    if cuts is None or len(cuts) != 1 or math.prod(shape[:axis]) != 1 or not is_static(result):
        return None
    ((along, start, end, step),) = cuts
    return (result, sliced(shape[axis], start, end, step)) if along in (axis, axis - len(shape)) else None


def _rows_of_elements(node: ir.Node) -> Ints | str | None:
    """Return the number of the row that each update is added to; None if one lies outside, or why there is none."""
    data, indices = node.inputs[0], array_of(node.inputs[1])
    assert data is not None and indices is not None
    axis = node_axis(node, 0, indices.ndim)
    if math.prod(dims(data)[:axis]) != 1 or indices.shape[axis + 1 :] != dims(data)[axis + 1 :]:
        return "it adds along an inner axis"
    table = indices.astype(np.int64).reshape(indices.shape[axis], math.prod(indices.shape[axis + 1 :]))
    if table.size and (table != table[:, :1]).any():
        return "the places differ within a row"
    return places_in(table[:, 0] if table.size else np.empty(0, np.int64), dims(data)[axis])


def _write(builder: Builder, addition: _Addition) -> ir.Value:
    """Return the result of the scatter."""
    width, shape = addition.updates.width, dims(addition.result)
    summed = _summed(builder, addition)
    base = array_of(addition.data)
    if base is None or base.any():
        table = builder.reshape(addition.data, (addition.count, width))
        summed = builder.node("Add", [table, summed], (addition.count, width))
    return builder.reshape(summed, shape)


def _summed(builder: Builder, addition: _Addition) -> ir.Value:
    """Return the sums of the rows of every place, (count, width); zeros where there is no row."""
    points = read_points(addition.updates.value)
    sums = None
    if points is not None and points.factor.size == addition.updates.count:
        sums = sum_columns(builder, points, addition.live, addition.places, addition.count)
    if sums is None:
        parts, places = _runs(builder, addition.updates, addition.live, addition.places, addition.count)
        sums = Sums(parts, np.arange(len(places)), places)
    zeros = np.zeros((1, addition.updates.width), (addition.data.dtype or ir.DataType.FLOAT).numpy())
    return _added(builder, sums, addition.count, builder.constant(zeros, "zeros"))


def _added(builder: Builder, sums: Sums, count: int, zeros: ir.Value) -> ir.Value:
    """Return the sums of the rows that are left of every place: in runs while there are many, then side by side."""
    width, parts, live, places = dims(zeros)[1], sums.parts, sums.live, sums.places
    pieces, sources, owners, start = [], [], [], 0
    while len(places):
        joined = _joined(builder, parts)
        many = np.bincount(places, minlength=count)[places] > LAST_FAN_IN
        pieces.append(joined)
        sources.append(start + live[~many])
        owners.append(places[~many])
        start += dims(joined)[0]
        parts, places = _runs(builder, Rows(joined, dims(joined)[0], width), live[many], places[many], count)
        live = np.arange(len(places))
    last = Sums([*pieces, zeros], np.concatenate([*sources, []]), np.concatenate([*owners, []]))
    return _side_by_side(builder, last, count)


def _side_by_side(builder: Builder, sums: Sums, count: int) -> ir.Value:
    """Return the sums of one row or two of every place; the last row is that of places with fewer.

    Two gathers and an addition are quicker than one gather and a sum over an axis of two.
    """
    rows, live, places = (
        _joined(builder, sums.parts),
        sums.live.astype(np.int64),
        sums.places.astype(np.int64),
    )
    total, width = dims(rows)
    counts = np.bincount(places, minlength=count)
    fan_in = max(1, int(counts.max(initial=0)))
    sources = np.full((count, fan_in), total - 1)
    order = np.argsort(places, kind="stable")
    within = np.arange(len(order)) - (np.cumsum(counts) - counts)[places[order]]
    sources[places[order], within] = live[order]
    columns = [pull_rows(builder, Rows(rows, total, width), column) for column in sources.T]
    return columns[0] if fan_in == 1 else builder.node("Add", columns, (count, width))


def _joined(builder: Builder, parts: list[ir.Value]) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    total = sum(dims(part)[0] for part in parts)
    return builder.node("Concat", parts, (total, dims(parts[0])[1]), axis=0)


def _runs(builder: Builder, rows: Rows, live: Ints, places: Ints, count: int) -> tuple[list[ir.Value], Ints]:
    """Return sums over runs of live rows of one place, all of one length together, and the place of each sum."""
    order = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=count)
    ends = np.cumsum(counts)
    parts, owners = [], []
    for power in reversed(range(int(counts.max(initial=0)).bit_length())):
        length = 1 << power
        having = np.flatnonzero(counts & length)
        if not having.size:
            continue
        longer = counts[having] >> (power + 1) << (power + 1)  # rows of the place in longer runs
        first = ends[having] - counts[having] + longer
        index = live[order[first[:, None] + np.arange(length)]].ravel()
        parts.append(_sum_of_runs(builder, pull_rows(builder, rows, index), length, rows.width))
        owners.append(having)
    return parts, np.concatenate(owners) if owners else np.empty(0, np.int64)


def _sum_of_runs(builder: Builder, rows: ir.Value, length: int, width: int) -> ir.Value:
    """Return the sums of every `length` rows that follow each other; of numbers times rows as a matrix product."""
    if length == 1:
        return rows
    count = dims(rows)[0] // length
    factors = factors_of(rows)
    if factors is not None:
        numbers = builder.reshape(factors[0], (count, 1, length))
        stacked = builder.reshape(factors[1], (count, length, width))
        product = builder.node("MatMul", [numbers, stacked], (count, 1, width))
        return builder.reshape(product, (count, width))
    stacked = builder.reshape(rows, (count, length, width))
    axes = builder.constant(np.array([1], dtype=np.int64), "axis")
    return builder.node("ReduceSum", [stacked, axes], (count, width), keepdims=0)
