"""Lower rows: select rows with a nearest GridSample, for image processors that gather pixels better than rows.

What: Gather(x [1, Q, C], known indices [V])  ->  x as an image [1, C, H, W], GridSample nearest at pixel centres.
Why it is sound: nearest sampling at the centre of a pixel reads that pixel, bit by bit; H * W = Q, so every row is a
    pixel. Centres are (2 i + 1) / W - 1, half a pixel away from where another pixel is nearest.
Needs: fold, so that indices are constants; opset 16, or GridSample of a vendor's domain.
Declines when: there are several batch items; Q has no two factors that fit an image.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shape_arithmetic import places_in
from specialize.graph.shapes import dims, is_static
from specialize.text.units import counted

NAME = "lower_rows"
LONGEST_SIDE = 1024
"""Of an image: the tightest limit that is known (Horizon J5)."""

FEWEST_ROWS = 16
"""Selections of fewer rows stay: they choose an entry, not rows."""


def _by_sampling(node: ir.Node, builder: Builder) -> Outcome:
    index = _row_indices(node)
    if index is None:
        return None
    made = _sampled(node, index, builder)
    return (
        made
        if isinstance(made, Declined)
        else Rewritten([f"{counted(len(index), 'row')} by nearest GridSample"], [made])
    )


def _row_indices(node: ir.Node) -> npt.NDArray[np.int64] | None:
    """Return the rows that a Gather selects; None if it is no such Gather."""
    source = node.inputs[0] if node.inputs else None
    if source is None or not is_static(source):
        return None
    index = array_of(node.inputs[1])
    rank = len(dims(source))
    if (
        index is None
        or index.ndim != 1
        or len(index) < FEWEST_ROWS
        or source.dtype != ir.DataType.FLOAT
        or rank < 2
    ):
        return None
    if source.const_value is not None or node_axis(node, 0, rank) != rank - 2:
        return None
    return places_in(index, dims(source)[-2])


def _sampled(node: ir.Node, index: npt.NDArray[np.int64], builder: Builder) -> ir.Value | Declined:
    source = node.inputs[0]
    assert source is not None
    *batch, rows, channels = dims(source)
    if math.prod(batch) != 1:
        return Declined("batch", f"there are {math.prod(batch)} batch items")
    sides = _sides(rows)
    if sides is None:
        return Declined("no-image", f"{rows} rows do not form an image with sides up to {LONGEST_SIDE}")
    height, width = sides
    down, across = _sides(len(index)) or (1, len(index))
    flat = builder.reshape(source, [1, rows, channels])
    image = builder.node("Transpose", [flat], [1, channels, rows], perm=[0, 2, 1])
    grid = np.stack([(2 * (index % width) + 1) / width - 1, (2 * (index // width) + 1) / height - 1], axis=-1)
    places = builder.constant(grid.astype(np.float32).reshape(1, down, across, 2), "places")
    picture = builder.reshape(image, [1, channels, height, width])
    shape = [1, channels, down, across]
    read = builder.node(
        "GridSample", [picture, places], shape, mode="nearest", padding_mode="zeros", align_corners=0
    )
    line = builder.reshape(read, [1, channels, len(index)])
    turned = builder.node("Transpose", [line], [1, len(index), channels], perm=[0, 2, 1])
    return builder.reshape(turned, dims(node.outputs[0]))


def _sides(count: int) -> tuple[int, int] | None:
    """Return the sides of the squarest image of so many pixels; None if one is too long."""
    height = next(side for side in range(math.isqrt(count), 0, -1) if count % side == 0)
    return (height, count // height) if count // height <= LONGEST_SIDE else None


SAMPLED_ROWS = Rule(name=NAME, operators={"Gather"}, rewrite=_by_sampling)
"""Every selection of rows by known indices is written with a nearest GridSample."""
