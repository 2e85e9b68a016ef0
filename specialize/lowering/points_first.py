"""Deformable attention per level with GridSample, the points in front of the queries.

    grid [N * M, P, Q, 2] -> samples [N * M, d, P, Q], times weights [N * M, 1, P, Q], summed over axis 2

It differs from `with_grid_sample` in the order of axes alone: the sum over few points is then a sum of long rows, which
is quicker where a runtime adds whole vectors, and each point's samples lie along the rows of the map.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.attention.operator import Attention, Sizes
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.snippets import plus, scaled, slice_of, sum_over, times
from specialize.lowering.levels import flat_of, level_image, queries_first
from specialize.lowering.sampling import GRID_SAMPLE_OPSET, linear


def with_points_first(attention: Attention, builder: Builder, opset: int) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], computed with one bilinear GridSample per level."""
    if opset < GRID_SAMPLE_OPSET:
        return Declined("no-grid-sample", f"opset {opset} has no GridSample")
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    grids = scaled(builder, builder.reshape(attention.locations, flat_of(sizes, 2)), 2.0, -1.0)
    weights = builder.reshape(attention.weights, flat_of(sizes, 1))
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        image = builder.reshape(
            level_image(builder, attention, level), [batch, sizes.channels, height, width]
        )
        shape = [batch, sizes.channels, sizes.points, sizes.queries]
        inputs = [image, _turned(builder, grids, sizes, level, 2)]
        read = builder.node(
            "GridSample", inputs, shape, mode=linear(opset), padding_mode="zeros", align_corners=0
        )
        weight = builder.reshape(_turned(builder, weights, sizes, level, 1), [batch, 1, *shape[2:]])
        summed = sum_over(builder, times(builder, read, weight), 2, opset)  # [N M, d, Q]
        total = summed if total is None else plus(builder, total, summed)
    assert total is not None
    return queries_first(builder, total, sizes)


def _turned(builder: Builder, value: ir.Value, sizes: Sizes, level: int, width: int) -> ir.Value:
    """Return one level of [N, Q, M, L * P * width] as [N * M, P, Q, width]."""
    part = slice_of(builder, value, 3, level * sizes.points * width, sizes.points * width)
    flat = builder.reshape(part, [sizes.batch, sizes.queries, sizes.heads * sizes.points, width])
    shape = [sizes.batch, sizes.heads * sizes.points, sizes.queries, width]
    turned = builder.node("Transpose", [flat], shape, perm=[0, 2, 1, 3])
    return builder.reshape(turned, [sizes.batch * sizes.heads, sizes.points, sizes.queries, width])
