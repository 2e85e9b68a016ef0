"""Deformable attention as a deformable convolution: one operator reads, weighs and sums the points of a level.

    value     [N, S, M * d] -> slice of the level -> image [N, M * d, h, w]
    locations [N, Q, M, L * P * 2] -> slice -> offsets [N, M * P * 2, rows, columns], px, (y, x) per point
    weights   [N, Q, M, L * P] -> slice -> mask [N, M * P, rows, columns]
    DeformConv with a kernel of 1 x P ones, a group per channel, an offset group per head -> [N, M * d, rows, columns]

A convolution computes a grid of results: the queries are laid out on `rows` x `columns` places. Where a kernel's tap
lies before its offset is a known place, which is taken off the location. Strides and pads keep these places as small as
the image, so that what is taken off and added again costs no more than the last bit of a pixel's number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.attention.operator import Attention, Sizes
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.shapes import dims
from specialize.graph.snippets import plus, slice_of, times
from specialize.lowering.levels import level_image
from specialize.lowering.vendor_conv import DEFORM_CONV_OPSET


@dataclass(frozen=True, slots=True)
class Steps:
    """One axis of a convolution: how many results, how far apart, and the pads in front and behind.

    Attributes:
        count: Number of results.
        stride: Pixels from one to the next.
        before: Pixels of padding in front.
        after: Pixels of padding behind.
    """

    count: int
    stride: int
    before: int
    after: int

    @staticmethod
    def over(size: int, kernel: int, count: int) -> Steps:
        """Return the steps with which a kernel over an axis of some size gives `count` results."""
        room = size - kernel
        stride = max(1, math.ceil(room / (count - 1))) if count > 1 else max(1, room + 1)
        pad = max(0, stride * (count - 1) - room)
        return Steps(count, stride, pad // 2, pad - pad // 2)

    def starts(self) -> npt.NDArray[np.float64]:
        """Return the pixel of each result's first tap, (count,)."""
        return np.arange(self.count, dtype=np.float64) * self.stride - self.before


def with_deform_conv(attention: Attention, builder: Builder, opset: int) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], computed with one DeformConv per level."""
    if opset < DEFORM_CONV_OPSET:
        return Declined("no-deform-conv", f"opset {opset} has no DeformConv")
    sizes = attention.sizes
    rows, columns = places_for(sizes.queries)
    locations, weights = (
        _places_last(builder, value, sizes, rows * columns)
        for value in (attention.locations, attention.weights)
    )
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        steps = Steps.over(height, 1, rows), Steps.over(width, sizes.points, columns)
        image = level_image(builder, attention, level)
        image = builder.reshape(image, [sizes.batch, sizes.heads * sizes.channels, height, width])
        offsets = _offsets(builder, _of_level(builder, locations, level), sizes, level, steps)
        made = _convolved(builder, image, offsets, _of_level(builder, weights, level), sizes, steps)
        total = made if total is None else plus(builder, total, made)
    assert total is not None
    joined = builder.reshape(total, [sizes.batch, sizes.heads * sizes.channels, rows * columns])
    joined = slice_of(builder, joined, 2, 0, sizes.queries)
    return builder.node("Transpose", [joined], sizes.result, perm=[0, 2, 1])


def places_for(queries: int) -> tuple[int, int]:
    """Return rows and columns for some queries: nearly square, with the fewest places left over."""
    side = math.isqrt(queries - 1) + 1
    columns = min(range(side, 2 * side), key=lambda width: (-queries % width, width))
    return math.ceil(queries / columns), columns


def _places_last(builder: Builder, value: ir.Value, sizes: Sizes, places: int) -> ir.Value:
    """Return locations or weights with a place per query behind all else, [N * M, L, P * width, places]."""
    width = math.prod(dims(value)[2:])
    flat = builder.reshape(value, [sizes.batch, sizes.queries, width])
    turned = builder.node("Transpose", [flat], [sizes.batch, width, sizes.queries], perm=[0, 2, 1])
    if places > sizes.queries:  # with weight 0
        pads = builder.constant(np.array([0, 0, 0, 0, 0, places - sizes.queries], dtype=np.int64), "pads")
        turned = builder.node("Pad", [turned, pads], [sizes.batch, width, places])
    levels = len(sizes.levels)
    return builder.reshape(
        turned, [sizes.batch * sizes.heads, levels, width // sizes.heads // levels, places]
    )


def _of_level(builder: Builder, value: ir.Value, level: int) -> ir.Value:
    """Return one level of [N * M, L, K, places], as [N * M, K, places]."""
    batch, _, width, places = dims(value)
    return builder.reshape(slice_of(builder, value, 1, level, 1), [batch, width, places])


def _offsets(
    builder: Builder, locations: ir.Value, sizes: Sizes, level: int, steps: tuple[Steps, Steps]
) -> ir.Value:
    """Return how far each sample is from its tap, [N * M, P, 2, places], px, y before x."""
    places = dims(locations)[2]
    shape = [sizes.batch * sizes.heads, sizes.points, 2, places]
    swap = builder.constant(np.array([1, 0], dtype=np.int64), "swap")
    pairs = builder.node("Gather", [builder.reshape(locations, shape), swap], shape, axis=2)
    size_px = np.array(sizes.levels[level], dtype=np.float32).reshape(1, 1, 2, 1)
    pixels = times(builder, pairs, builder.constant(size_px, "size"))
    return plus(builder, pixels, builder.constant(_minus_taps(steps, sizes.points, places), "taps"))


def _minus_taps(steps: tuple[Steps, Steps], points: int, places: int) -> npt.NDArray[np.float32]:
    """Return half a pixel and the place of every tap, taken off, (1, P, 2, places), px: halves, exact in float32."""
    down, across = (each.starts() for each in steps)
    taps = np.empty((1, points, 2, places))
    taps[0, :, 0] = np.repeat(down, len(across))
    taps[0, :, 1] = np.tile(across, len(down)) + np.arange(points)[:, None]
    return (-0.5 - taps).astype(np.float32)


def _convolved(
    builder: Builder,
    image: ir.Value,
    offsets: ir.Value,
    weights: ir.Value,
    sizes: Sizes,
    steps: tuple[Steps, Steps],
) -> ir.Value:
    """Return the weighted sums over the points of a level, [N, M * d, rows, columns]."""
    batch, channels = dims(image)[:2]
    down, across = steps
    grid = [down.count, across.count]
    kernel = builder.constant(np.ones((channels, 1, 1, sizes.points), dtype=np.float32), "ones")
    bias = builder.constant(np.zeros(channels, dtype=np.float32), "zeros")
    taps = sizes.heads * sizes.points
    inputs = [
        image, kernel, builder.reshape(offsets, [batch, taps * 2, *grid]), bias,
        builder.reshape(weights, [batch, taps, *grid]),
    ]  # fmt: skip
    return builder.node(
        "DeformConv", inputs, [batch, channels, *grid], kernel_shape=[1, sizes.points],
        strides=[down.stride, across.stride], pads=[down.before, across.before, down.after, across.after],
        dilations=[1, 1], group=channels, offset_group=sizes.heads,
    )  # fmt: skip
