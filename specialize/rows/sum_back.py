"""Sum back: how rows that were computed once are added up per query."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from scipy import sparse

from specialize.graph.edit import Builder
from specialize.graph.shapes import dims
from specialize.rows.gating import Gating
from specialize.rows.room import NoRoomError, Sum
from specialize.rows.rowmap import RowMap

DENSE_GATHER = 4
"""Sum back by gathering while the gathered rows are at most this many times the rows that are there."""


CAMERAS = 16
"""Sum back by gathering in any case while no row has more sources than a rig has cameras: scatters do not compile."""


def needs_of(places: RowMap) -> Sum:
    """Return how the places of parts are best summed to rows."""
    rows, fan_in = places.rows_out, places.fan_in()
    scattered = fan_in > CAMERAS and fan_in * rows > DENSE_GATHER * max(rows, places.matrix.nnz)
    return Sum(fan_in, bool((places.matrix.data != 1).any()), scattered)


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
        gating: What tells at run time which rows count.

    Raises:
        NoRoomError: That way does not do for these places.
    """
    needs = needs_of(places)
    how = needs if kept is None else kept.fitting(needs)
    if how.scattered and gating is None:
        return _scatter_back(builder, parts, places, width, always=kept is not None)
    rows, dtype, fan_in = places.rows_out, parts[0].dtype or ir.DataType.FLOAT, how.fan_in
    sources, scales = places.table(fan_in)
    if (sources < 0).any() or kept is not None:
        parts = [*parts, builder.constant(np.zeros((1, 1, width), dtype=dtype.numpy()), "nobody")]
        sources = np.where(sources < 0, places.rows_in, sources)
    joined = _join(builder, parts)
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


def _scatter_back(
    builder: Builder, parts: list[ir.Value], places: RowMap, width: int, *, always: bool
) -> ir.Value:
    """Sum many rows to few, as a scatter with addition: what a view transform pools by.

    Rows are added in the order in which they are there, so that none is moved before. With `always`, every place is
    scattered, those that nothing reads with coefficient zero, and no step is left out.
    """
    entries = _every_place(places) if always else places.matrix.tocoo()
    order = np.argsort(entries.col, kind="stable")
    index, cells, scales = entries.col[order], entries.row[order], entries.data[order]
    joined, dtype = _join(builder, parts), parts[0].dtype or ir.DataType.FLOAT
    shape = [1, len(index), width]
    if not np.array_equal(index, np.arange(places.rows_in)):
        picked = builder.constant(index.astype(np.int64), "order")
        joined = builder.node("Gather", [joined, picked], shape, axis=1)
    if always or (scales != 1).any():
        scale = builder.constant(scales.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
        joined = builder.node("Mul", [joined, scale], shape)
    zeros = builder.constant(np.zeros((places.rows_out, width), dtype=dtype.numpy()), "empty")
    targets = builder.constant(cells.astype(np.int64).reshape(-1, 1), "cells")
    updates = builder.reshape(joined, shape[1:])
    summed = builder.node("ScatterND", [zeros, targets, updates], dims(zeros), reduction="add")
    return builder.reshape(summed, [1, places.rows_out, width])


def _every_place(places: RowMap) -> sparse.coo_array:
    """Return the entries of a map, one per place: of zero where it has none.

    Raises:
        NoRoomError: A place is read twice.
    """
    entries = places.matrix.tocoo()
    unread = np.setdiff1d(np.arange(places.rows_in), entries.col)
    row = np.concatenate([entries.row, np.zeros_like(unread)])
    column = np.concatenate([entries.col, unread])
    if len(column) != places.rows_in:
        raise NoRoomError("sum", (len(column),), (places.rows_in,))
    data = np.concatenate([entries.data, np.zeros(len(unread))])
    return sparse.coo_array((data, (row, column)), shape=places.matrix.shape)


def _join(builder: Builder, parts: list[ir.Value]) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    shape = [1, sum(dims(part)[1] for part in parts), dims(parts[0])[2]]
    return builder.node("Concat", parts, shape, axis=1)
