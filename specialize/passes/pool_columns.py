"""Columns: pool points that share features by small matrix products, without a row per point.

The points of a view transform are numbers times rows of features: depth weights times what an image shows at a pixel,
which every depth of the pixel reads. The pixels of one column of an image see few cells, so many of its points go to
the same one. With the weights as a matrix (cells, pixels) the column's share of its cells is one product with its
features (pixels, channels): a row per cell that the column reaches takes the place of a row per point. A pixel that
does not reach a cell has weight zero there, which holds for finite features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.ops import VIEWS
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.pool_points import Points

Ints = npt.NDArray[np.int64]

NUMBER_COST = 16
"""What picking one number costs, in floats moved."""

ROW_COST = 8
"""How often a row is moved until it is summed, and once more for a row per point."""

MULTIPLY_COST = 0.25
"""What one multiplication of a matrix product costs."""

MOST_CHUNKS = 16
"""Products that are made one by one, so that each is as long as its own cells need."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Rows of features, as the axes of a tensor that are not their channels.

    Attributes:
        value: The tensor.
        channels: Which of its axes holds the channels.
        sizes: Sizes of the others.
        rows: Number of each row among the others, (rows,).
    """

    value: ir.Value
    channels: int
    sizes: tuple[int, ...]
    rows: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Rows that are left to be summed: `parts` one after the other, row `live[i]` for place `places[i]`."""

    parts: list[ir.Value]
    live: Ints
    places: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Points, told apart by column and by place.

    Attributes:
        inner: The axis of the features along which a column runs.
        column: Column of every point.
        pixel: Where in its column a point is.
        segment: Which row of its column's product a point belongs to, (points,).
        lengths: Rows of every column's product.
        places: Place of every row, columns one after the other.
    """

    inner: int
    column: Ints
    pixel: Ints
    segment: Ints
    lengths: Ints
    places: Ints


def sum_columns(builder: Builder, points: Points, live: Ints, places: Ints, count: int) -> Sums | None:
    """Return sums of points of one column and one place each; None if a row per point costs less.

    Args:
        builder: Makes the nodes.
        points: What the rows to be summed are products of.
        live: Which rows are summed.
        places: The place of each of them.
        count: Number of places.
    """
    features = read_features(points.feat)
    if features is None or not len(live):
        return None
    row = features.rows[points.ranks_feat.reshape(-1)[live]]
    width = dims(features.value)[features.channels]
    best, least = None, len(live) * (NUMBER_COST + (ROW_COST + 1 + MULTIPLY_COST) * width)
    for inner, size in enumerate(features.sizes):
        if size == 1:
            continue
        columns = _columns(row, places, features.sizes, inner, count)
        chunks = _chunks(columns, features.sizes)
        rows = sum(int(columns.lengths[start:end].max(initial=0)) * (end - start) for start, end in chunks)
        cost = rows * (size * (NUMBER_COST + MULTIPLY_COST * width) + ROW_COST * width)
        if cost < least:
            best, least = columns, cost
    return None if best is None else _products(builder, points, features, best, live)


def read_features(value: ir.Value) -> Features | None:
    """Return the tensor in which rows of features still stand on axes of their own; None if none has them whole."""
    width = dims(value)[-1]
    origin, path = value, []
    node = origin.producer()
    while node is not None and node.domain in STANDARD and node.op_type in VIEWS | {"Transpose"}:
        source = node.inputs[0]
        if source is None or not is_static(source):
            break
        path.append(node)
        origin, node = source, source.producer()
    index = np.arange(math.prod(dims(origin))).reshape(dims(origin))
    for node in reversed(path):
        index = index.reshape(dims(node.outputs[0])) if node.op_type in VIEWS else _transposed(node, index)
    table = index.reshape(-1, width)
    strides = [math.prod(dims(origin)[axis + 1 :]) for axis in range(len(dims(origin)))]
    for axis, size in enumerate(dims(origin)):
        if size == width and (table == table[:, :1] + strides[axis] * np.arange(width)).all():
            sizes = tuple(other for place, other in enumerate(dims(origin)) if place != axis)
            coordinates = np.unravel_index(table[:, 0], dims(origin))
            others = tuple(part for place, part in enumerate(coordinates) if place != axis)
            return Features(origin, axis, sizes, np.ravel_multi_index(others, sizes).astype(np.int64))
    return None


def _transposed(node: ir.Node, array: Ints) -> Ints:
    perm = node.attributes["perm"].as_ints() if "perm" in node.attributes else None
    return array.transpose(perm)


def _columns(row: Ints, places: Ints, sizes: tuple[int, ...], inner: int, count: int) -> _Columns:
    """Return the points of columns that run along one axis; points of one pixel and one place are rows apart."""
    coordinates = list(np.unravel_index(row, sizes))
    pixel = coordinates.pop(inner).astype(np.int64)
    others = sizes[:inner] + sizes[inner + 1 :]
    column = (
        np.ravel_multi_index(tuple(coordinates), others).astype(np.int64) if others else np.zeros_like(row)
    )
    key = (column * count + places) * sizes[inner] + pixel
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), np.int64)
    new = np.flatnonzero(np.diff(key[order], prepend=-1))
    again[order] = np.arange(len(key)) - np.repeat(new, np.diff(new, append=len(key)))
    deepest = int(again.max(initial=0)) + 1
    rows, number = np.unique((column * count + places) * deepest + again, return_inverse=True)
    owner = rows // deepest // count
    lengths = np.bincount(owner, minlength=math.prod(others))
    segment = number - (np.cumsum(lengths) - lengths)[column]
    return _Columns(inner, column, pixel, segment, lengths, rows // deepest % count)


def _chunks(columns: _Columns, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return ranges of columns that are multiplied together: those of one index of their first axis."""
    others = [size for axis, size in enumerate(sizes) if axis != columns.inner and size > 1]
    total = len(columns.lengths)
    number = others[0] if len(others) > 1 and others[0] <= MOST_CHUNKS else 1
    return [(start, start + total // number) for start in range(0, total, total // number)]


def _products(builder: Builder, points: Points, features: Features, columns: _Columns, live: Ints) -> Sums:
    """Return the products of all columns, chunk by chunk."""
    size, width = features.sizes[columns.inner], dims(features.value)[features.channels]
    chunks = _chunks(columns, features.sizes)
    pieces = _pieces(builder, features, columns.inner, len(chunks))
    numbers, none = _with_zero(builder, points.depth)
    index, factor = points.ranks_depth.reshape(-1)[live], points.factor.reshape(-1)[live]
    parts, rows, done = [], [], 0
    for (start, end), piece in zip(chunks, pieces, strict=True):
        longest = int(columns.lengths[start:end].max(initial=0))
        if not longest:
            continue
        own = (columns.column >= start) & (columns.column < end)
        at = (columns.column[own] - start, columns.segment[own], columns.pixel[own])
        table, scales = np.full((end - start, longest, size), none), np.ones((end - start, longest, size))
        table[at], scales[at] = index[own], factor[own]
        weights = _weights(builder, numbers, table, scales)
        product = builder.node("MatMul", [weights, piece], (end - start, longest, width))
        parts.append(builder.reshape(product, ((end - start) * longest, width)))
        used = np.arange(longest) < columns.lengths[start:end, None]
        rows.append(done + np.flatnonzero(used))
        done += used.size
    return Sums(parts, np.concatenate(rows), columns.places)


def _weights(builder: Builder, numbers: ir.Value, table: Ints, scales: npt.NDArray[np.float64]) -> ir.Value:
    picked = builder.constant(table.astype(np.int32), "rows")
    weights = builder.node("Gather", [numbers, picked], table.shape, axis=0)
    if (scales == 1).all():
        return weights
    dtype = (numbers.dtype or ir.DataType.FLOAT).numpy()
    return builder.node("Mul", [weights, builder.constant(scales.astype(dtype), "scale")], table.shape)


def _with_zero(builder: Builder, depth: ir.Value) -> tuple[ir.Value, int]:
    """Return all numbers and a zero behind them, and which one that is."""
    count = math.prod(dims(depth))
    zero = builder.constant(np.zeros(1, (depth.dtype or ir.DataType.FLOAT).numpy()), "zero")
    return builder.node("Concat", [builder.reshape(depth, (count,)), zero], (count + 1,), axis=0), count


def _pieces(builder: Builder, features: Features, inner: int, chunks: int) -> list[ir.Value]:
    """Return the features of every chunk, (columns, pixels, channels).

    Where channels come first, no Transpose moves two axes, which runtimes do several times more slowly; the last one is
    part of the product on most.
    """
    shape = dims(features.value)
    others = [axis for axis in range(len(shape)) if axis != features.channels]
    along = others.pop(inner)
    last = features.channels == len(shape) - 1
    order = [*others, along, features.channels] if last else [*others, features.channels, along]
    size, width = shape[along], shape[features.channels]
    moved = features.value
    if order != list(range(len(shape))):
        moved = builder.node("Transpose", [moved], [shape[axis] for axis in order], perm=order)
    columns = math.prod(shape[axis] for axis in others)
    each = columns // chunks
    sides = (size, width) if last else (width, size)
    moved = builder.reshape(moved, (columns, *sides))
    pieces = [moved]
    if chunks > 1:
        sizes = builder.constant(np.full(chunks, each, np.int64), "sizes")
        pieces = builder.nodes("Split", [moved, sizes], [(each, *sides)] * chunks, axis=0)
    if last:
        return pieces
    return [builder.node("Transpose", [piece], (each, size, width), perm=[0, 2, 1]) for piece in pieces]
