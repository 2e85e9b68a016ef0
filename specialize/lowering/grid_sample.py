"""GridSample on maps without GridSample: Floor or Round, Clip and Gather, on tensors of at most four axes.

What: GridSample(x [N, C, H, W], grid [N, A, B, 2]), zeros outside, bilinear or nearest  ->  four Gathers, or one.
Why it is sound: it is what the operator is defined by; places are counted in float32, exactly. A corner outside the map
    is a whole number of pixels from its clipped place, so that 1 - distance, cut off at 0, is 1 inside and 0 outside.
Needs: static shapes.
Declines when: another mode or border; volumes; more places than float32 counts exactly.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.ops import integer, text
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.snippets import clip, plus, scaled, slice_of, take, times

NAME = "lower"
EXACT_INTEGERS = 1 << 24
"""Integers up to here are exact in float32."""

Corner = tuple[ir.Value, ir.Value]
"""A pixel along one axis, clipped to the map, and its share, 0 outside the map."""


def _gathers(node: ir.Node, builder: Builder) -> Outcome:
    made = _decompose(node, builder)
    return made if isinstance(made, Declined) else Rewritten(["GridSample written with Gather"], [made])


def _decompose(node: ir.Node, builder: Builder) -> ir.Value | Declined:
    mode = text(node, "mode")
    border = text(node, "padding_mode")
    aligned = bool(integer(node, "align_corners"))
    image, grid = node.inputs[0], node.inputs[1]
    if image is None or grid is None or not is_static(image) or not is_static(grid) or len(dims(image)) != 4:
        return Declined("no-image", "its shape is not static and four-dimensional")
    if mode not in ("bilinear", "linear", "nearest") or border != "zeros":
        return Declined("mode", f"mode {mode} with {border} has no other form here")
    batch, channels, height, width = dims(image)
    if batch * height * width > EXACT_INTEGERS:
        told = f"{batch} maps of {height} x {width} have more places than float32 counts exactly"
        return Declined("too-many-places", told)
    _, down, across, _ = dims(grid)
    turned = [batch, height, width, channels]
    rows = builder.node("Transpose", [image], turned, perm=[0, 2, 3, 1])
    rows = builder.reshape(rows, [batch * height * width, channels])
    places = builder.reshape(grid, [batch, down * across, 2])
    x, y = (corners(builder, _pixels(builder, places, axis, size, aligned), size, mode == "nearest")
            for axis, size in ((0, width), (1, height)))  # fmt: skip
    out = gathered(builder, rows, x, y, width, batch * height * width)
    cube = builder.reshape(out, [batch, down, across, channels])
    return builder.node("Transpose", [cube], dims(node.outputs[0]), perm=[0, 3, 1, 2])


def _pixels(builder: Builder, places: ir.Value, axis: int, size: int, aligned: bool) -> ir.Value:
    """Return pixels of one axis from normalized places: -1 and 1 are borders of the map, or its outermost pixels."""
    at = slice_of(builder, places, 2, axis, 1)
    return (
        scaled(builder, at, (size - 1) / 2, (size - 1) / 2)
        if aligned
        else scaled(builder, at, size / 2, (size - 1) / 2)
    )


def corners(builder: Builder, pixel: ir.Value, size: int, nearest: bool = False) -> list[Corner]:
    """Return the two pixels around every place along one axis, or the nearest one."""
    shape = dims(pixel)
    pixel = clip(builder, pixel, -2.0, float(size + 1))
    if nearest:
        return [_present(builder, builder.node("Round", [pixel], shape), size)]
    low = builder.node("Floor", [pixel], shape)
    beyond = builder.node("Sub", [pixel, low], shape)
    pairs = []
    for corner, share in (
        (low, scaled(builder, beyond, -1.0, 1.0)),
        (scaled(builder, low, 1.0, 1.0), beyond),
    ):
        inside, present = _present(builder, corner, size)
        pairs.append((inside, times(builder, share, present)))
    return pairs


def _present(builder: Builder, corner: ir.Value, size: int) -> Corner:
    """Return a pixel clipped to the map, and 1 if that changed nothing, else 0."""
    inside = clip(builder, corner, 0.0, float(size - 1))
    distance = builder.node("Abs", [builder.node("Sub", [corner, inside], dims(corner))], dims(corner))
    return inside, clip(builder, scaled(builder, distance, -1.0, 1.0), 0.0, 1.0)


def gathered(
    builder: Builder, rows: ir.Value, x: list[Corner], y: list[Corner], width: int, places: int,
    weight: ir.Value | None = None, total: ir.Value | None = None,
) -> ir.Value:  # fmt: skip
    """Return the weighted sum of the corners, (samples, channels), added to `total` if given.

    Args:
        builder: Makes the nodes.
        rows: Maps of all batch items one after the other, (batch * height * width, channels).
        x: Corners along the rows of a map, each (batch, samples of one item, 1).
        y: Corners along its columns.
        width: Of a map.
        places: Rows of all maps together.
        weight: One number per sample, (batch, samples of one item, 1).
        total: What the sum is added to.
    """
    batch, channels = dims(x[0][0])[0], dims(rows)[1]
    base = np.arange(batch, dtype=np.float32).reshape(batch, 1, 1) * np.float32(places // batch)
    for row, row_share in y:
        line = scaled(builder, row, float(width), 0.0)
        if batch > 1:
            line = plus(builder, line, builder.constant(base, "base"))
        for column, column_share in x:
            share = times(builder, row_share, column_share)
            share = share if weight is None else times(builder, share, weight)
            read = take(builder, rows, plus(builder, line, column), channels)
            part = times(builder, read, builder.reshape(share, [dims(read)[0], 1]))
            total = part if total is None else plus(builder, total, part)
    assert total is not None
    return total


GATHERED_SAMPLES = Rule(
    name=NAME,
    operators={"GridSample"},
    domains=(*STANDARD, "com.microsoft"),
    rewrite=_gathers,
    title="{operator}",
    leaves=lambda node: node.op_type == "GridSample" and node.domain in (*STANDARD, "com.microsoft"),
)
"""Every GridSample is written with Gather."""
