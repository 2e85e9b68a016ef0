"""Sum back: how rows that were computed once are added up per query."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import Builder
from specialize.graph.shapes import dims
from specialize.rows.rowmap import RowMap

DENSE_GATHER = 4
"""Sum back by gathering while the gathered rows are at most this many times the rows that are there."""


def sum_back(builder: Builder, parts: list[ir.Value], places: RowMap, width: int) -> ir.Value:
    """Return rows that are sums of the places of the parts, (1, rows, features)."""
    rows = places.rows_out
    dtype = parts[0].dtype or ir.DataType.FLOAT
    if places.fan_in() * rows > DENSE_GATHER * max(rows, places.matrix.nnz):
        return _scatter_back(builder, parts, places, width)
    sources, scales = places.table()
    if (sources < 0).any():
        parts = [*parts, builder.constant(np.zeros((1, 1, width), dtype=dtype.numpy()), "nobody")]
        sources = np.where(sources < 0, places.rows_in, sources)
    joined = _join(builder, parts)
    fan_in = sources.shape[1]
    index = builder.constant(sources.ravel(), "back")
    picked = builder.node("Gather", [joined, index], [1, rows * fan_in, width], axis=1)
    if (scales[scales != 0] != 1).any():
        scale = builder.constant(scales.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
        picked = builder.node("Mul", [picked, scale], dims(picked))
    if fan_in == 1:
        return picked
    stacked = builder.reshape(picked, [1, rows, fan_in, width])
    axes = builder.constant(np.array([2], dtype=np.int64), "axis")
    return builder.node("ReduceSum", [stacked, axes], [1, rows, width], keepdims=0)


def _scatter_back(builder: Builder, parts: list[ir.Value], places: RowMap, width: int) -> ir.Value:
    """Sum many rows to few, as a scatter with addition: what a view transform pools by."""
    entries = places.matrix.tocoo()
    joined = _join(builder, parts)
    index, dtype = entries.col.astype(np.int64), parts[0].dtype or ir.DataType.FLOAT
    shape = [1, len(index), width]
    if not np.array_equal(index, np.arange(places.rows_in)):
        joined = builder.node("Gather", [joined, builder.constant(index, "order")], shape, axis=1)
    if (entries.data != 1).any():
        scale = builder.constant(entries.data.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
        joined = builder.node("Mul", [joined, scale], shape)
    zeros = builder.constant(np.zeros((places.rows_out, width), dtype=dtype.numpy()), "empty")
    targets = builder.constant(entries.row.astype(np.int64).reshape(-1, 1), "cells")
    updates = builder.reshape(joined, shape[1:])
    summed = builder.node("ScatterND", [zeros, targets, updates], dims(zeros), reduction="add")
    return builder.reshape(summed, [1, places.rows_out, width])


def _join(builder: Builder, parts: list[ir.Value]) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    shape = [1, sum(dims(part)[1] for part in parts), dims(parts[0])[2]]
    return builder.node("Concat", parts, shape, axis=1)
