"""Deformable attention as products of corners: rows are gathered, and one MatMul weighs and sums them.

    value [N, S, M * d] -> rows [N * S * M, d]
    locations -> four corners per sample: row numbers [N * Q * M, 4 * L * P], shares of bilinear times attention weights
    Gather -> [N * Q * M, 4 * L * P, d];  [.., 1, 4 L P] x [.., 4 L P, d] -> [N, Q, M * d]

Nothing is transposed but small things, and there is one sum for all; but four rows are moved per sample, where
GridSample writes one. Places are counted as `with_gather` counts them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.attention.operator import Attention, Sizes
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.shapes import dims
from specialize.graph.snippets import plus, scaled, slice_of, take, times
from specialize.lowering.grid_sample import EXACT_INTEGERS, corners
from specialize.lowering.levels import flat_of


def with_corner_product(attention: Attention, builder: Builder, opset: int) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], computed with one Gather and one MatMul; exact in float32."""
    sizes = attention.sizes
    count = sizes.batch * sizes.places * sizes.heads
    if count > EXACT_INTEGERS:
        return Declined("too-many-places", f"{count} rows of maps are more than float32 counts exactly")
    rows = builder.reshape(attention.value, [count, sizes.channels])
    levels = [_corners(builder, attention, level) for level in range(len(sizes.levels))]
    places, shares = (_beside(builder, [level[part] for level in levels]) for part in (0, 1))
    queries, reads = dims(places)
    read = builder.reshape(take(builder, rows, places, sizes.channels), [queries, reads, sizes.channels])
    shape = [queries, 1, sizes.channels]
    return builder.reshape(
        builder.node("MatMul", [builder.reshape(shares, [queries, 1, reads]), read], shape), sizes.result
    )


def _corners(builder: Builder, attention: Attention, level: int) -> tuple[ir.Value, ir.Value]:
    """Return rows and shares of the four corners of one level's samples, both [N * Q * M, 4 * P]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    samples = sizes.queries * sizes.heads * sizes.points
    locations, weights = (
        builder.reshape(
            slice_of(builder, builder.reshape(value, flat_of(sizes, each)), 3, level * sizes.points * each,
                     sizes.points * each),
            [sizes.batch, samples, each],
        )
        for value, each in ((attention.locations, 2), (attention.weights, 1))
    )  # fmt: skip
    x, y = (
        corners(builder, scaled(builder, slice_of(builder, locations, 2, axis, 1), float(size), -0.5), size)
        for axis, size in ((0, width), (1, height))
    )
    first = builder.constant(_first_rows(sizes, level), "first")
    places, shares = [], []
    for row, row_share in y:
        line = plus(builder, scaled(builder, row, float(width * sizes.heads), 0.0), first)
        weighed = times(builder, row_share, weights)
        for column, column_share in x:
            places.append(plus(builder, line, scaled(builder, column, float(sizes.heads), 0.0)))
            shares.append(times(builder, weighed, column_share))
    shape = [sizes.batch * sizes.queries * sizes.heads, 4 * sizes.points]
    return (
        builder.reshape(builder.node("Concat", places, [sizes.batch, samples, 4], axis=2), shape),
        builder.reshape(builder.node("Concat", shares, [sizes.batch, samples, 4], axis=2), shape),
    )


def _first_rows(sizes: Sizes, level: int) -> npt.NDArray[np.float32]:
    """Return the row of the first place of each sample's map, [N, Q * M * P, 1]."""
    image = np.arange(sizes.batch).reshape(-1, 1, 1, 1) * sizes.places + sizes.starts[level]
    rows = image * sizes.heads + np.arange(sizes.heads).reshape(1, 1, -1, 1)
    shape = (sizes.batch, sizes.queries, sizes.heads, sizes.points)
    return np.broadcast_to(rows, shape).astype(np.float32).reshape(sizes.batch, -1, 1)


def _beside(builder: Builder, parts: list[ir.Value]) -> ir.Value:
    """Return the levels side by side, [N * Q * M, 4 * L * P]."""
    if len(parts) == 1:
        return parts[0]
    shape = [dims(parts[0])[0], sum(dims(part)[1] for part in parts)]
    return builder.node("Concat", parts, shape, axis=1)
