"""Lower deformable convolutions: write them for toolchains that have no DeformConv.

What: DeformConv(x, weight, offset, bias, mask)  ->  one GridSample that reads all taps, times the mask, and a 1x1 Conv.
Why it is sound: a deformable convolution is the weighted sum of bilinear reads at moved places, zero outside the map,
    and GridSample with aligned corners reads exactly so; the kernel is then a product over taps and channels.
Needs: fold, so that the kernel is a constant; static shapes; opset 16 for GridSample.
Declines when: there are groups; the map has a single row or column, which GridSample cannot address.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.ops import integer, integers
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import dims, is_static
from specialize.lowering.sampling import GRID_SAMPLE_OPSET, linear

NAME = "lower_deform_conv"


@dataclass(frozen=True, slots=True, eq=False)
class DeformConv:
    """A deformable convolution, read off its node.

    Attributes:
        image: (N, C, H, W).
        kernel: (O, C, kH, kW).
        offset: (N, 2 K, h, w), px, (dy, dx) per tap, K = kH kW.
        bias: (O,) or nothing.
        mask: (N, K, h, w) or nothing.
        strides: Along y and x, px.
        dilations: Along y and x, px.
        pads: Before the first row and column, px.
    """

    image: ir.Value
    kernel: npt.NDArray[np.float32]
    offset: ir.Value
    bias: ir.Value | None
    mask: ir.Value | None
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]


def _sampled(node: ir.Node, builder: Builder) -> Outcome:
    opset = builder.graph.opset_imports.get("", 0)
    if opset < GRID_SAMPLE_OPSET:
        return Declined("no-grid-sample", f"opset {opset} has no GridSample")
    found = _read(node)
    if isinstance(found, Declined):
        return found
    taps = found.kernel.shape[2] * found.kernel.shape[3]
    made = write_deform_conv(builder, found, dims(node.outputs[0]))
    return Rewritten([f"{taps} taps read by one GridSample"], [made])


def _read(node: ir.Node) -> DeformConv | Declined:
    """Return what a node says, or why it cannot be rewritten."""
    image, kernel, offset, bias, mask = (*node.inputs, None, None)[:5]
    weights = array_of(kernel)
    if image is None or offset is None or weights is None:
        return Declined("kernel-not-constant", "its kernel is not constant")
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0])):
        return Declined("shape-unknown", "a dynamic shape")
    if any(integer(node, name) != 1 for name in ("group", "offset_group")):
        return Declined("groups", "it has groups")
    if min(dims(image)[2:]) < 2:
        return Declined("single-line", "its map has a single row or column")
    return DeformConv(
        image=image,
        kernel=weights.astype(np.float32),
        offset=offset,
        bias=bias if bias is not None and bias.name else None,
        mask=mask if mask is not None and mask.name else None,
        strides=integers(node, "strides", 2, 1),
        dilations=integers(node, "dilations", 2, 1),
        pads=integers(node, "pads", 4, 0)[:2],
    )


def write_deform_conv(builder: Builder, conv: DeformConv, shape: tuple[int, ...]) -> ir.Value:
    """Return the convolution's result of `shape` (N, O, h, w); no tensor has more than four dimensions."""
    batch, outputs, height, width = shape
    channels, taps = conv.kernel.shape[1], conv.kernel.shape[2] * conv.kernel.shape[3]
    pairs = builder.reshape(conv.offset, (batch, taps, 2, height * width))
    pairs = builder.node("Transpose", [pairs], (batch, taps, height * width, 2), perm=[0, 1, 3, 2])
    swap = builder.constant(np.array([1, 0]), "swap")  # (dy, dx) to (dx, dy)
    pairs = builder.node("Gather", [pairs, swap], (batch, taps, height * width, 2), axis=3)
    moved = builder.reshape(pairs, (batch, taps * height, width, 2))
    scale, start = _grid(conv, dims(conv.image)[2:], (height, width))
    moved = builder.node("Mul", [moved, builder.constant(scale, "scale")], dims(moved))
    grid = builder.node("Add", [moved, builder.constant(start, "start")], dims(moved))
    read = builder.node(
        "GridSample",
        [conv.image, grid],
        (batch, channels, taps * height, width),
        align_corners=1,
        mode=linear(builder.graph.opset_imports.get("", 0)),
        padding_mode="zeros",
    )
    read = builder.reshape(read, (batch, channels, taps, height * width))
    if conv.mask is not None:
        mask = builder.reshape(conv.mask, (batch, 1, taps, height * width))
        read = builder.node("Mul", [read, mask], dims(read))
    rows = builder.reshape(read, (batch, channels * taps, height, width))
    kernel = builder.constant(conv.kernel.reshape(outputs, channels * taps, 1, 1), "kernel")
    inputs = [rows, kernel] if conv.bias is None else [rows, kernel, conv.bias]
    return builder.node("Conv", inputs, shape, kernel_shape=[1, 1])


def _grid(
    conv: DeformConv, image: tuple[int, ...], result: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what turns offsets into GridSample's coordinates: (2,) factors and (1, K h, w, 2) starts, x before y."""
    places = []  # pixel positions along y and x before offsets, (K, h, w)
    taps = np.meshgrid(*(np.arange(size) for size in conv.kernel.shape[2:]), indexing="ij")
    cells = np.meshgrid(*(np.arange(size) for size in result), indexing="ij")
    for axis in (0, 1):
        first = taps[axis].reshape(-1, 1, 1) * conv.dilations[axis] - conv.pads[axis]
        places.append(first + cells[axis] * conv.strides[axis])
    scale = np.array([2.0 / (image[1] - 1), 2.0 / (image[0] - 1)])
    start = np.stack([places[1], places[0]], axis=-1) * scale - 1.0  # (K, h, w, 2)
    return scale.astype(np.float32), start.reshape(1, -1, result[1], 2).astype(np.float32)


SAMPLED_CONVS = Rule(
    name=NAME,
    operators={"DeformConv"},
    domains=("",),
    rewrite=_sampled,
    leaves=lambda node: node.op_type == "DeformConv" and node.domain == "",
)
"""Every deformable convolution is written with GridSample."""
