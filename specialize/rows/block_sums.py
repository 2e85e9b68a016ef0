"""Blocks: many rows summed to few by operators whose shapes are the same for every calibration.

The rows of a cell are cut into blocks of `SIZE` rows, and every block is summed by a product with its coefficients.
While a cell has more than `SIDE_BY_SIDE` sums they are cut into blocks again; the few that are left are gathered per
cell and added. A place of a block without a row of its own repeats one of its rows with coefficient zero, and a block
that is spare is read by no cell. Zero times infinity is NaN, so this holds for finite numbers; to read a row of zeros
instead would copy all rows once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.shapes import dims
from specialize.rows.capacity import SIDE_BY_SIDE, SIZE

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Entries of cells, cut into blocks.

    Attributes:
        entries: Which entry stands at every place, (blocks * SIZE,).
        filled: Which places hold an entry of their own, (blocks * SIZE,).
        cells: The cell of every block in use, ascending.
    """

    entries: Ints
    filled: npt.NDArray[np.bool_]
    cells: Ints

    def weights(self, scales: Floats) -> Floats:
        """Return the coefficient of every place, (blocks, SIZE), given that of every entry."""
        return np.where(self.filled, scales[self.entries], 0.0).reshape(-1, SIZE)


def blocks_needed(counts: Ints) -> tuple[int, ...]:
    """Return how many blocks there are on every level if each cell has so many rows."""
    levels: list[int] = []
    while not levels or counts.max(initial=0) > SIDE_BY_SIDE:
        counts = -(-(counts[counts > SIDE_BY_SIDE] if levels else counts) // SIZE)
        levels.append(int(counts.sum()))
    return tuple(levels)


def cut(cells: Ints, blocks: int) -> Cut:
    """Cut entries into blocks of one cell each.

    Args:
        cells: The cell of every entry.
        blocks: Blocks there is room for.
    """
    order = np.argsort(cells, kind="stable")
    owners, counts = np.unique(cells, return_counts=True)
    used = -(-counts // SIZE)
    within = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.repeat((np.cumsum(used) - used) * SIZE, counts) + within
    entries, filled = np.zeros(blocks * SIZE, np.int64), np.zeros(blocks * SIZE, np.bool_)
    entries[places], filled[places] = order, True
    first = np.repeat(entries[::SIZE], SIZE)
    return Cut(np.where(filled, entries, first), filled, np.repeat(owners, used))


def sum_blocks(
    builder: Builder, rows: ir.Value, first: Cut, scales: Floats, cells: int, levels: Sequence[int]
) -> ir.Value:
    """Return the sums of the rows of every cell, (cells, features); zeros where a cell has no row.

    Args:
        builder: Makes the nodes.
        rows: Rows in blocks, (blocks * SIZE, features).
        first: How they are cut.
        scales: Coefficient of every entry of that cut.
        cells: Number of cells.
        levels: Blocks there is room for on every level, the first being those of `rows`.
    """
    width = dims(rows)[1]
    sums = [_summed(builder, rows, first.weights(scales))]
    owners, numbers, start = first.cells, np.arange(len(first.cells)), 0
    left_owners, left_sums = [], []
    for kept in levels[1:]:
        many = np.bincount(owners, minlength=cells)[owners] > SIDE_BY_SIDE
        left_owners.append(owners[~many])
        left_sums.append(start + numbers[~many])
        again, used = cut(owners[many], kept), numbers[many]
        index = used[again.entries] if len(used) else again.entries
        picked = _gathered(builder, sums[-1], index, "blocks")
        start += dims(sums[-1])[0]
        sums.append(_summed(builder, picked, again.weights(np.ones(max(1, len(used))))))
        owners, numbers = again.cells, np.arange(len(again.cells))
    left_owners.append(owners)
    left_sums.append(start + numbers)
    zeros = builder.constant(np.zeros((1, width), (rows.dtype or ir.DataType.FLOAT).numpy()), "zeros")
    total = start + dims(sums[-1])[0]
    joined = builder.node("Concat", [*sums, zeros], (total + 1, width), axis=0)
    sources = _side_by_side(np.concatenate(left_owners), np.concatenate(left_sums), cells, total)
    stacked = builder.reshape(
        _gathered(builder, joined, sources.ravel(), "cells"), (cells, SIDE_BY_SIDE, width)
    )
    axes = builder.constant(np.array([1], np.int64), "axis")
    return builder.node("ReduceSum", [stacked, axes], (cells, width), keepdims=0)


def _side_by_side(owners: Ints, sums: Ints, cells: int, none: int) -> Ints:
    """Return which sums are those of every cell, (cells, SIDE_BY_SIDE), `none` where there is no other."""
    sources = np.full((cells, SIDE_BY_SIDE), none, np.int64)
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=cells)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    sources[owners[order], within] = sums[order]
    return sources


def _gathered(builder: Builder, rows: ir.Value, index: Ints, label: str) -> ir.Value:
    return builder.node("Gather", [rows, builder.constant(index, label)], (len(index), dims(rows)[1]), axis=0)


def _summed(builder: Builder, rows: ir.Value, weights: Floats) -> ir.Value:
    """Return the sum of the rows of every block, (blocks, features), by one product per block.

    If the rows themselves are numbers times rows, the numbers are multiplied by the coefficients instead.
    """
    blocks, width = len(weights), dims(rows)[1]
    dtype = (rows.dtype or ir.DataType.FLOAT).numpy()
    scale = builder.constant(weights.reshape(blocks, 1, SIZE).astype(dtype), "scale")
    factors = factors_of(rows)
    if factors is not None:
        numbers, rows = factors
        scale = builder.node("Mul", [builder.reshape(numbers, (blocks, 1, SIZE)), scale], (blocks, 1, SIZE))
    stacked = builder.reshape(rows, (blocks, SIZE, width))
    product = builder.node("MatMul", [scale, stacked], (blocks, 1, width))
    return builder.reshape(product, (blocks, width))


def factors_of(rows: ir.Value) -> tuple[ir.Value, ir.Value] | None:
    """Return the numbers, (rows, 1), and the rows whose product a tensor (rows, features) is; None if it is none."""
    node = rows.producer()
    if node is None or node.op_type != "Mul":
        return None
    first, second = node.inputs
    if first is None or second is None:
        return None
    if dims(second) == (dims(rows)[0], 1):
        first, second = second, first
    return (first, second) if dims(first) == (dims(rows)[0], 1) and dims(second) == dims(rows) else None
