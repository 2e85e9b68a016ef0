"""Lower pooling: write a view transform's pooling as the five-array operator that toolchains have a kernel for.

What: ScatterND or ScatterElements, adding depth weights times features to constant cells  ->
    BEVPoolV2TRT(depth, feat, ranks_depth, ranks_feat, ranks_bev, interval_starts, interval_lengths).
Why it is sound: the operator adds depth[ranks_depth] * feat[ranks_feat] of each interval to one cell; points whose
    constant factor is zero add nothing, those whose cell a Slice cuts off reach nothing, and both are in no interval.
    `define_pools` writes that definition out.
Needs: fold, so that cells and masks are constants.
Declines when: what is added is no product of one number and one row of features; what is added to is not zero; a
    point has another factor than zero or one.
"""

from __future__ import annotations

import math
from dataclasses import replace as replace_fields

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.custom import POOL, is_pool
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import VIEWS
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shape_arithmetic import PLACES_OUTSIDE, places_in
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.gather_sums import SCATTERS, adds, cut_places
from specialize.passes.pool_points import Ints, Points, read_points

NAME = "lower_pool"


def lower_pools(model: ir.Model) -> list[Note]:
    """Write every pooling of a graph as the operator, in place."""
    notes = []
    for node in list(model.graph):
        if node.op_type not in SCATTERS or node.domain not in STANDARD or not adds(node):
            continue
        found = _read(node)
        if isinstance(found, str):
            notes.append(Note(NAME, "declined", node_name(node), found))
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        points, cells = found
        replace(model.graph, node.outputs[0], _write(builder, node, points, cells))
        remove_unused(model.graph, node)
        kept = int(np.count_nonzero(points.factor))
        told = f"{kept:,} of {points.factor.size:,} points pooled by {POOL}; no other is computed"
        notes.append(Note(NAME, "applied", node_name(node), told))
    return notes


def define_pools(model: ir.Model) -> None:
    """Write every operator with constant tables as Gather, Mul and ScatterND, which define it, in place."""
    for node in list(model.graph):
        tables = [array_of(value) for value in node.inputs[2:]]
        if not is_pool(node) or any(table is None for table in tables):
            continue
        ranks_depth, ranks_feat, ranks_bev, starts, lengths = (
            np.asarray(table, np.int64) for table in tables
        )
        point = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        cells = np.repeat(ranks_bev[starts], lengths)
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}/defined", {PASS_KEY: NAME})
        depth, feat = (value for value in node.inputs[:2] if value is not None)
        width = dims(feat)[-1]
        numbers = _picked(builder, builder.reshape(depth, (math.prod(dims(depth)), 1)), ranks_depth[point])
        rows = _picked(builder, builder.reshape(feat, (math.prod(dims(feat)[:-1]), width)), ranks_feat[point])
        products = builder.node("Mul", [numbers, rows], dims(rows))
        shape = (1, *(node.attributes[name].as_int() for name in ("out_height", "out_width")), width)
        empty = builder.constant(np.zeros((shape[1] * shape[2], width), np.float32), "empty")
        targets = builder.constant(cells[:, None], "cells")
        summed = builder.node("ScatterND", [empty, targets, products], dims(empty), reduction="add")
        replace(model.graph, node.outputs[0], builder.reshape(summed, shape))
        remove_unused(model.graph, node)


def _picked(builder: Builder, value: ir.Value, rows: Ints) -> ir.Value:
    index = builder.constant(rows, "picked")
    return builder.node("Gather", [value, index], (len(rows), dims(value)[1]), axis=0)


def _read(node: ir.Node) -> tuple[Points, Ints] | str:
    """Return the points that a scatter pools and their cells, or why it is not such a pooling."""
    empty, cells, updates = array_of(node.inputs[0]), _cells(node), node.inputs[2]
    if cells is None or updates is None:
        return "the cells are not constant numbers of rows"
    if empty is None or empty.any():
        return "what is added to is not zero"
    points = read_points(updates)
    if points is None:
        return "what is added is not one number times one row of features"
    if not np.isin(points.factor, (0.0, 1.0)).all():
        return "a point has another factor than zero or one"
    places = places_in(cells, dims(node.outputs[0])[0])
    if places is None:
        return PLACES_OUTSIDE.text
    cut = cut_places(node, 0)
    if cut is not None:
        read = np.isin(places, cut[1]).reshape(points.factor.shape)
        points = replace_fields(points, factor=points.factor * read)
    return points, places


def _cells(node: ir.Node) -> Ints | None:
    """Return the row that a scatter adds each row to; None if that is not constant, or differs between features."""
    indices = array_of(node.inputs[1])
    if indices is None or indices.ndim != 2 or len(dims(node.outputs[0])) != 2:
        return None
    by_element = node.op_type == "ScatterElements"
    axis = node_axis(node, 0, 2) if by_element else 0
    if axis or (not by_element and indices.shape[1] != 1) or (indices != indices[:, :1]).any():
        return None
    return indices[:, 0].astype(np.int64)


def _write(builder: Builder, node: ir.Node, points: Points, cells: Ints) -> ir.Value:
    """Return the result of the scatter, computed by the operator; points stand in the order of their cells."""
    kept = np.flatnonzero(points.factor)
    order = kept[np.argsort(cells[kept], kind="stable")]
    ranks_bev = cells[order]
    starts = np.flatnonzero(np.diff(ranks_bev, prepend=-1))
    lengths = np.diff(starts, append=len(order))
    tables = {
        "ranks_depth": points.ranks_depth.ravel()[order],
        "ranks_feat": points.ranks_feat.ravel()[order],
        "ranks_bev": ranks_bev,
        "interval_starts": starts,
        "interval_lengths": lengths,
    }
    shape = dims(node.outputs[0])
    height, width = _grid(node)
    inputs = [_of_rank_four(builder, value) for value in (points.depth, points.feat)]
    inputs += [builder.constant(table.astype(np.int32), name) for name, table in tables.items()]
    out = (1, height, width, shape[1])
    return builder.reshape(builder.node(POOL, inputs, out, out_height=height, out_width=width), shape)


def _grid(node: ir.Node) -> tuple[int, int]:
    """Return height and width of the cells, if what reads them makes a grid of them; else they are one column."""
    cells, channels = dims(node.outputs[0])
    readers = [reader for reader, _ in node.outputs[0].uses() if is_static(reader.outputs[0])]
    shapes = [dims(reader.outputs[0]) for reader in readers if reader.op_type in VIEWS]
    grids = [(shape[1], shape[2]) for shape in shapes if len(shape) == 4 and shape[::3] == (1, channels)]
    return grids[0] if grids else (cells, 1)


def _of_rank_four(builder: Builder, value: ir.Value) -> ir.Value:
    shape = dims(value)
    return value if len(shape) == 4 else builder.reshape(value, (1, 1, math.prod(shape[:-1]), shape[-1]))
