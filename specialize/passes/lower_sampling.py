"""Deformable attention per level, on tensors of at most four axes: with GridSample, or with Floor, Clip and Gather.

Both share everything but the sampling itself:

    value     [N, S, M * d] -> slice of the level -> [N * M, d, h, w] (GridSample) or rows [N * M * h * w, d] (Gather)
    locations [N, Q, M, L * P * 2] -> slice -> [N * M, Q, P, 2]
    weights   [N, Q, M, L * P] -> slice -> one per sample
    sum over the points of a level, then over the levels -> [N, Q, M * d]
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.edit import Builder
from specialize.graph.shapes import dims
from specialize.passes.attention import Attention, Sizes

EXACT_INTEGERS = 1 << 24
"""Integers up to here are exact in float32."""

LINEAR_OPSET = 20
"""From this opset on GridSample says `linear` where it said `bilinear`."""

AXES_OPSET = 13
"""From this opset on ReduceSum takes its axes as an input."""


def with_grid_sample(attention: Attention, builder: Builder, opset: int, domain: str = "") -> ir.Value | str:
    """Return the result, [N, Q, M * d], computed with one bilinear GridSample per level.

    Args:
        attention: What is computed.
        builder: Makes the nodes.
        opset: Version of the standard operators.
        domain: Of GridSample, where a toolchain has one of its own.
    """
    if not domain and opset < 16:
        return f"opset {opset} has no GridSample"
    sizes = attention.sizes
    batch, heads = sizes.batch * sizes.heads, sizes.heads
    grids = _scaled(builder, builder.reshape(attention.locations, _flat(sizes, 2)), 2.0, -1.0)
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        maps = _level_maps(builder, attention, level)  # [N, h w, C]
        maps = builder.node("Transpose", [maps], [sizes.batch, dims(maps)[2], height * width], perm=[0, 2, 1])
        image = builder.reshape(maps, [batch, sizes.channels, height, width])
        grid = _per_head(builder, grids, sizes, level, 2, [batch, sizes.queries, sizes.points, 2])
        weight = _level_weights(builder, attention, level, [batch, 1, sizes.queries, sizes.points])
        mode = "linear" if not domain and opset >= LINEAR_OPSET else "bilinear"
        shape = [batch, sizes.channels, sizes.queries, sizes.points]
        read = builder.node(
            "GridSample",
            [image, grid],
            shape,
            domain=domain,
            mode=mode,
            padding_mode="zeros",
            align_corners=0,
        )
        summed = _sum_last(builder, builder.node("Mul", [read, weight], shape), opset)  # [N M, d, Q]
        total = summed if total is None else builder.node("Add", [total, summed], shape[:3])
    assert total is not None
    joined = builder.reshape(total, [sizes.batch, heads * sizes.channels, sizes.queries])
    return builder.node("Transpose", [joined], sizes.result, perm=[0, 2, 1])


def with_gather(attention: Attention, builder: Builder, opset: int) -> ir.Value | str:
    """Return the result, [N, Q, M * d], computed with four Gathers per level; exact in float32.

    Places are counted in float32 and turned into int32 at the last moment; there is no comparison, no bool and no
    arithmetic on integers. A corner outside the map counts with weight 0: it is as far from its clipped place as a
    whole number of pixels, so that 1 - distance, cut off at 0, is 1 inside and 0 outside.
    """
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    total: ir.Value | None = None
    locations = builder.reshape(attention.locations, _flat(sizes, 2))
    for level, (height, width) in enumerate(sizes.levels):
        if batch * height * width > EXACT_INTEGERS:
            return f"{batch} maps of {height} x {width} have more places than float32 counts exactly"
        rows = _level_rows(builder, attention, level)
        places = _per_head(builder, locations, sizes, level, 2, [batch, sizes.queries * sizes.points, 2])
        weight = _level_weights(builder, attention, level, [batch, sizes.queries * sizes.points, 1])
        x, y = (_corner_pair(builder, places, axis, size) for axis, size in ((0, width), (1, height)))
        base = np.arange(batch, dtype=np.float32).reshape(batch, 1, 1) * np.float32(height * width)
        for row, row_share in y:
            line = _fma(builder, row, float(width), base)
            for column, column_share in x:
                share = _times(builder, _times(builder, row_share, column_share), weight)
                read = _take(builder, rows, _plus(builder, line, column), sizes)
                part = _times(builder, read, builder.reshape(share, [dims(read)[0], 1]))
                total = part if total is None else _plus(builder, total, part)
    # levels read the same queries and points: one sum over points does for all of them
    assert total is not None
    cube = builder.reshape(total, [batch, sizes.queries, sizes.points, sizes.channels])
    summed = _sum(builder, cube, 2, opset)  # [N M, Q, d]
    split = builder.reshape(summed, [sizes.batch, sizes.heads, sizes.queries, sizes.channels])
    shape = [sizes.batch, sizes.queries, sizes.heads, sizes.channels]
    return builder.reshape(builder.node("Transpose", [split], shape, perm=[0, 2, 1, 3]), sizes.result)


def _flat(sizes: Sizes, width: int) -> tuple[int, ...]:
    return (sizes.batch, sizes.queries, sizes.heads, len(sizes.levels) * sizes.points * width)


def _level_maps(builder: Builder, attention: Attention, level: int) -> ir.Value:
    """Return the maps of one level, [N, h w, M * d]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    whole = builder.reshape(attention.value, [sizes.batch, sizes.places, sizes.heads * sizes.channels])
    return slice_of(builder, whole, 1, sizes.starts[level], height * width)


def _level_rows(builder: Builder, attention: Attention, level: int) -> ir.Value:
    """Return the maps of one level as rows, [N M h w, d]."""
    sizes = attention.sizes
    height, width = sizes.levels[level]
    maps = builder.reshape(
        _level_maps(builder, attention, level), [sizes.batch, height * width, sizes.heads, sizes.channels]
    )
    shape = [sizes.batch, sizes.heads, height * width, sizes.channels]
    if sizes.heads > 1:
        maps = builder.node("Transpose", [maps], shape, perm=[0, 2, 1, 3])
    return builder.reshape(maps, [sizes.batch * sizes.heads * height * width, sizes.channels])


def _level_weights(builder: Builder, attention: Attention, level: int, shape: list[int]) -> ir.Value:
    flat = builder.reshape(attention.weights, _flat(attention.sizes, 1))
    return _per_head(builder, flat, attention.sizes, level, 1, shape)


def _per_head(
    builder: Builder, value: ir.Value, sizes: Sizes, level: int, width: int, shape: list[int]
) -> ir.Value:
    """Return one level of [N, Q, M, L * P * width] with the heads before the queries, in the given shape."""
    part = slice_of(builder, value, 3, level * sizes.points * width, sizes.points * width)
    if sizes.heads > 1:
        turned = [sizes.batch, sizes.heads, sizes.queries, sizes.points * width]
        part = builder.node("Transpose", [part], turned, perm=[0, 2, 1, 3])
    return builder.reshape(part, shape)


def slice_of(builder: Builder, value: ir.Value, axis: int, start: int, length: int) -> ir.Value:
    """Return a part of a value along one axis; the value itself if that is all of it."""
    shape = list(dims(value))
    if length == shape[axis]:
        return value
    shape[axis] = length
    bounds = (
        builder.constant(np.array([number], dtype=np.int64), "at") for number in (start, start + length, axis)
    )
    return builder.node("Slice", [value, *bounds], shape)


def _corner_pair(builder: Builder, places: ir.Value, axis: int, size: int) -> list[tuple[ir.Value, ir.Value]]:
    """Return the two pixels around every location along one axis, clipped, each with its share, 0 outside the map."""
    shape = (*dims(places)[:-1], 1)
    at = slice_of(builder, places, len(shape) - 1, axis, 1)
    pixel = _clip(builder, _scaled(builder, at, float(size), -0.5), -2.0, float(size + 1))
    low = builder.node("Floor", [pixel], shape)
    beyond = builder.node("Sub", [pixel, low], shape)
    shares = (_scaled(builder, beyond, -1.0, 1.0), beyond)
    pairs = []
    for corner, share in zip((low, _scaled(builder, low, 1.0, 1.0)), shares, strict=True):
        inside = _clip(builder, corner, 0.0, float(size - 1))
        distance = builder.node("Abs", [builder.node("Sub", [corner, inside], shape)], shape)
        present = _clip(builder, _scaled(builder, distance, -1.0, 1.0), 0.0, 1.0)
        pairs.append((inside, _times(builder, share, present)))
    return pairs


def _take(builder: Builder, rows: ir.Value, places: ir.Value, sizes: Sizes) -> ir.Value:
    """Return the rows at places counted in float32, (samples, channels)."""
    count = int(np.prod(dims(places)))
    index = builder.node("Cast", [places], dims(places), dtype=ir.DataType.INT32, to=ir.DataType.INT32.value)
    return builder.node("Gather", [rows, builder.reshape(index, [count])], [count, sizes.channels], axis=0)


def _clip(builder: Builder, value: ir.Value, low: float, high: float) -> ir.Value:
    bounds = [_number(builder, low), _number(builder, high)]
    return builder.node("Clip", [value, *bounds], dims(value))


def _scaled(builder: Builder, value: ir.Value, scale: float, shift: float) -> ir.Value:
    """Return value * scale + shift, without the step that changes nothing."""
    if scale != 1.0:
        value = builder.node("Mul", [value, _number(builder, scale)], dims(value))
    return builder.node("Add", [value, _number(builder, shift)], dims(value)) if shift else value


def _fma(builder: Builder, value: ir.Value, scale: float, plus: np.ndarray) -> ir.Value:
    return _plus(builder, _scaled(builder, value, scale, 0.0), builder.constant(plus, "base"))


def _times(builder: Builder, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.node("Mul", [left, right], np.broadcast_shapes(dims(left), dims(right)))


def _plus(builder: Builder, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.node("Add", [left, right], np.broadcast_shapes(dims(left), dims(right)))


def _number(builder: Builder, number: float) -> ir.Value:
    return builder.constant(np.array(number, dtype=np.float32), "number")


def _sum_last(builder: Builder, value: ir.Value, opset: int) -> ir.Value:
    return _sum(builder, value, len(dims(value)) - 1, opset)


def _sum(builder: Builder, value: ir.Value, axis: int, opset: int) -> ir.Value:
    """Return the sum over one axis, which goes."""
    shape = [size for place, size in enumerate(dims(value)) if place != axis]
    if opset < AXES_OPSET:
        return builder.node("ReduceSum", [value], shape, axes=[axis], keepdims=0)
    where = builder.constant(np.array([axis], dtype=np.int64), "axis")
    return builder.node("ReduceSum", [value, where], shape, keepdims=0)
