"""Deformable attention per level, on tensors of at most four axes: with GridSample, or with Floor, Clip and Gather.

Both share everything but the sampling itself:

    value     [N, S, M * d] -> slice of the level -> [N * M, d, h, w] (GridSample) or rows [N * M * h * w, d] (Gather)
    locations [N, Q, M, L * P * 2] -> slice -> [N * M, Q, P, 2]
    weights   [N, Q, M, L * P] -> slice -> one per sample
    sum over the points of a level, then over the levels -> [N, Q, M * d]
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.attention.operator import Attention
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.snippets import scaled, slice_of, sum_over
from specialize.lowering.grid_sample import EXACT_INTEGERS, corners, gathered
from specialize.lowering.levels import (
    flat_of,
    level_image,
    level_rows,
    level_weights,
    per_head,
    queries_first,
)

GRID_SAMPLE_OPSET = 16
"""From this opset on there is a GridSample."""

LINEAR_OPSET = 20
"""From this opset on GridSample says `linear` where it said `bilinear`."""

RENAMED = {"bilinear": "linear", "bicubic": "cubic"}
"""Modes before that opset, and since."""

DEFAULTS: dict[str, str | int] = {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0}


def linear(opset: int) -> str:
    """Return what GridSample calls its bilinear mode in an opset."""
    return "linear" if opset >= LINEAR_OPSET else "bilinear"


def spell_out(node: ir.Node, opset: int) -> None:
    """Give a GridSample all its attributes, by the names of an opset: other domains may have other defaults."""
    for name, value in DEFAULTS.items():
        if name not in node.attributes:
            node.attributes.add(ir.convenience.convert_attribute(name, value))
    mode = node.attributes["mode"].as_string()
    names = RENAMED if opset >= LINEAR_OPSET else {new: old for old, new in RENAMED.items()}
    node.attributes.add(ir.AttrString("mode", names.get(mode, mode)))


def with_grid_sample(
    attention: Attention, builder: Builder, opset: int, domain: str = ""
) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], computed with one bilinear GridSample per level.

    Args:
        attention: What is computed.
        builder: Makes the nodes.
        opset: Version of the standard operators.
        domain: Of GridSample, where a toolchain has one of its own.
    """
    if not domain and opset < GRID_SAMPLE_OPSET:
        return Declined("no-grid-sample", f"opset {opset} has no GridSample")
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    grids = scaled(builder, builder.reshape(attention.locations, flat_of(sizes, 2)), 2.0, -1.0)
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        image = builder.reshape(
            level_image(builder, attention, level), [batch, sizes.channels, height, width]
        )
        grid = per_head(builder, grids, sizes, level, 2, [batch, sizes.queries, sizes.points, 2])
        weight = level_weights(builder, attention, level, [batch, 1, sizes.queries, sizes.points])
        mode = "bilinear" if domain else linear(opset)
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
        summed = sum_over(builder, builder.node("Mul", [read, weight], shape), 3, opset)  # [N M, d, Q]
        total = summed if total is None else builder.node("Add", [total, summed], shape[:3])
    assert total is not None
    return queries_first(builder, total, sizes)


def with_gather(attention: Attention, builder: Builder, opset: int) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], computed with four Gathers per level; exact in float32.

    Places are counted in float32 and turned into int32 at the last moment; there is no comparison, no bool and no
    arithmetic on integers (see `lower_grid`).
    """
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    total: ir.Value | None = None
    locations = builder.reshape(attention.locations, flat_of(sizes, 2))
    for level, (height, width) in enumerate(sizes.levels):
        if batch * height * width > EXACT_INTEGERS:
            return Declined(
                "too-many-places",
                f"{batch} maps of {height} x {width} have more places than float32 counts exactly",
            )
        rows = level_rows(builder, attention, level)
        places = per_head(builder, locations, sizes, level, 2, [batch, sizes.queries * sizes.points, 2])
        weight = level_weights(builder, attention, level, [batch, sizes.queries * sizes.points, 1])
        x, y = (
            corners(builder, scaled(builder, slice_of(builder, places, 2, axis, 1), float(size), -0.5), size)
            for axis, size in ((0, width), (1, height))
        )
        total = gathered(builder, rows, x, y, width, batch * height * width, weight, total)
    # levels read the same queries and points: one sum over points does for all of them
    assert total is not None
    cube = builder.reshape(total, [batch, sizes.queries, sizes.points, sizes.channels])
    summed = sum_over(builder, cube, 2, opset)  # [N M, Q, d]
    split = builder.reshape(summed, [sizes.batch, sizes.heads, sizes.queries, sizes.channels])
    shape = [sizes.batch, sizes.queries, sizes.heads, sizes.channels]
    return builder.reshape(builder.node("Transpose", [split], shape, perm=[0, 2, 1, 3]), sizes.result)
