"""What one level of a deformable attention reads: its maps, locations and weights, in the order a form wants."""

from __future__ import annotations

import onnx_ir as ir

from specialize.attention.operator import Attention, Sizes
from specialize.graph.builder import Builder
from specialize.graph.snippets import slice_of


def flat_of(sizes: Sizes, width: int) -> tuple[int, ...]:
    """Return the shape [N, Q, M, L * P * width] of locations (2) or weights (1)."""
    return (sizes.batch, sizes.queries, sizes.heads, len(sizes.levels) * sizes.points * width)


def level_maps(builder: Builder, attention: Attention, level: int) -> ir.Value:
    """Return the maps of one level, [N, h w, M * d]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    whole = builder.reshape(attention.value, [sizes.batch, sizes.places, sizes.heads * sizes.channels])
    return slice_of(builder, whole, 1, sizes.starts[level], height * width)


def level_image(builder: Builder, attention: Attention, level: int) -> ir.Value:
    """Return the maps of one level with their channels in front, [N, M * d, h * w]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    maps = level_maps(builder, attention, level)
    shape = [sizes.batch, sizes.heads * sizes.channels, height * width]
    return builder.node("Transpose", [maps], shape, perm=[0, 2, 1])


def queries_first(builder: Builder, total: ir.Value, sizes: Sizes) -> ir.Value:
    """Return sums [N * M, d, Q] over points and levels as the result, [N, Q, M * d]."""
    joined = builder.reshape(total, [sizes.batch, sizes.heads * sizes.channels, sizes.queries])
    return builder.node("Transpose", [joined], sizes.result, perm=[0, 2, 1])


def level_rows(builder: Builder, attention: Attention, level: int) -> ir.Value:
    """Return the maps of one level as rows, [N M h w, d]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    maps = builder.reshape(
        level_maps(builder, attention, level), [sizes.batch, height * width, sizes.heads, sizes.channels]
    )
    shape = [sizes.batch, sizes.heads, height * width, sizes.channels]
    if sizes.heads > 1:
        maps = builder.node("Transpose", [maps], shape, perm=[0, 2, 1, 3])
    return builder.reshape(maps, [sizes.batch * sizes.heads * height * width, sizes.channels])


def level_weights(builder: Builder, attention: Attention, level: int, shape: list[int]) -> ir.Value:
    """Return the weights of one level with the heads before the queries, in the given shape."""
    flat = builder.reshape(attention.weights, flat_of(attention.sizes, 1))
    return per_head(builder, flat, attention.sizes, level, 1, shape)


def per_head(
    builder: Builder, value: ir.Value, sizes: Sizes, level: int, width: int, shape: list[int]
) -> ir.Value:
    """Return one level of [N, Q, M, L * P * width] with the heads before the queries, in the given shape."""
    part = slice_of(builder, value, 3, level * sizes.points * width, sizes.points * width)
    if sizes.heads > 1:
        turned = [sizes.batch, sizes.heads, sizes.queries, sizes.points * width]
        part = builder.node("Transpose", [part], turned, perm=[0, 2, 1, 3])
    return builder.reshape(part, shape)
