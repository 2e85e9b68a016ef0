"""Sum back: how rows that were computed once are added up per query."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.shapes import dims
from specialize.rows.block_sums import blocks_needed, cut, sum_blocks
from specialize.rows.capacity import Sum
from specialize.rows.gating import Gating
from specialize.rows.rowmap import RowMap

CAMERAS = 16
"""Rows are gathered and summed while no sum has more of them than a rig has cameras; more are pooled."""


def needs_of(places: RowMap) -> Sum:
    """Return how the places of parts are best summed to rows."""
    fan_in, scaled = places.fan_in(), bool((places.matrix.data != 1).any())
    blocks = blocks_needed(np.diff(places.matrix.indptr).astype(np.int64))
    return Sum(fan_in, scaled, fan_in > CAMERAS, blocks)


def sum_back(
    builder: Builder,
    parts: list[ir.Value],
    places: RowMap,
    width: int,
    kept: Sum | None = None,
    gating: Gating | None = None,
) -> ir.Value:
    """Return rows that are sums of the places of the parts, (1, rows, features).

    Args:
        builder: Makes the nodes.
        parts: Tensors (1, places, features), one after the other.
        places: Which places each row sums.
        width: Number of features.
        kept: How to sum, if the graph must look the same for other places.
        gating: Which rows count, a value that is computed at run time.
    """
    how = needs_of(places) if kept is None else kept
    if how.scattered and gating is None:
        if kept is not None:
            return _pool_back(builder, parts, places, width, kept.blocks)
        return _scatter_back(builder, parts, places, width)
    rows, dtype, fan_in = places.rows_out, parts[0].dtype or ir.DataType.FLOAT, how.fan_in
    sources, scales = places.table(fan_in)
    if (sources < 0).any() or kept is not None:
        parts = [*parts, builder.constant(np.zeros((1, 1, width), dtype=dtype.numpy()), "zeros")]
        sources = np.where(sources < 0, places.rows_in, sources)
    joined = join(builder, parts)
    index = builder.constant(sources.ravel(), "back")
    picked = builder.node("Gather", [joined, index], [1, rows * fan_in, width], axis=1)
    if how.scaled:
        scale = builder.constant(scales.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
        picked = builder.node("Mul", [picked, scale], dims(picked))
    if gating is not None:
        index = builder.constant(gating.pairs(sources).ravel(), "gate")
        gates = builder.node("Gather", [gating.gate, index], [1, rows * fan_in, 1], axis=1)
        picked = builder.node("Mul", [picked, gates], dims(picked))
    if fan_in == 1:
        return picked
    stacked = builder.reshape(picked, [1, rows, fan_in, width])
    axes = builder.constant(np.array([2], dtype=np.int64), "axis")
    return builder.node("ReduceSum", [stacked, axes], [1, rows, width], keepdims=0)


def _scatter_back(builder: Builder, parts: list[ir.Value], places: RowMap, width: int) -> ir.Value:
    """Sum many rows to few, as a scatter with addition: what a view transform pools by.

    Rows are added in the order in which they are there, so that none is moved before.
    """
    entries = places.matrix.tocoo()
    order = np.argsort(entries.col, kind="stable")
    index, cells, scales = entries.col[order], entries.row[order], entries.data[order]
    joined, dtype = join(builder, parts), parts[0].dtype or ir.DataType.FLOAT
    shape = [1, len(index), width]
    if not np.array_equal(index, np.arange(places.rows_in)):
        picked = builder.constant(index.astype(np.int64), "order")
        joined = builder.node("Gather", [joined, picked], shape, axis=1)
    if (scales != 1).any():
        scale = builder.constant(scales.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
        joined = builder.node("Mul", [joined, scale], shape)
    zeros = builder.constant(np.zeros((places.rows_out, width), dtype=dtype.numpy()), "empty")
    targets = builder.constant(cells.astype(np.int64).reshape(-1, 1), "cells")
    updates = builder.reshape(joined, shape[1:])
    summed = builder.node("ScatterND", [zeros, targets, updates], dims(zeros), reduction="add")
    return builder.reshape(summed, [1, places.rows_out, width])


def _pool_back(
    builder: Builder, parts: list[ir.Value], places: RowMap, width: int, levels: tuple[int, ...]
) -> ir.Value:
    """Sum many rows to few in blocks, (1, rows, features), in a graph that looks the same for any places.

    Args:
        builder: Makes the nodes.
        parts: Tensors (1, places, features), one after the other.
        places: Which places each row sums.
        width: Number of features.
        levels: Blocks there is room for on every level.
    """
    entries = places.matrix.tocoo()
    first = cut(entries.row.astype(np.int64), levels[0])
    index = builder.constant(entries.col.astype(np.int64)[first.entries], "order")
    joined = builder.node("Gather", [join(builder, parts), index], [1, len(first.entries), width], axis=1)
    rows = builder.reshape(joined, (len(first.entries), width))
    summed = sum_blocks(builder, rows, first, entries.data, places.rows_out, levels)
    return builder.reshape(summed, [1, places.rows_out, width])


def join(builder: Builder, parts: list[ir.Value]) -> ir.Value:
    """Return tensors (1, places, features) as one, one after the other."""
    if len(parts) == 1:
        return parts[0]
    shape = [1, sum(dims(part)[1] for part in parts), dims(parts[0])[2]]
    return builder.node("Concat", parts, shape, axis=1)
