"""Modulated deformable convolution (DCNv2), in eager torch and as one ONNX `DeformConv` node.

A 3x3 convolution whose nine taps move by a learned offset per output pixel and are scaled by a learned mask.
Taps are read bilinearly; positions outside the map read zeros.
Parameters carry the names of public checkpoints: `weight`, `conv_offset.weight`, `conv_offset.bias`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

DEFORM_CONV_OPSET = 19


class ModulatedDeformConv2d(nn.Module):
    """A 3x3 deformable convolution that predicts its own offsets and masks.

    The plain convolution `conv_offset` gives 27 channels per output pixel: 18 offsets in px, as (dy, dx)
    per tap, then 9 mask logits.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        self.conv_offset = nn.Conv2d(in_channels, 27, 3, stride, padding=dilation, dilation=dilation)
        nn.init.zeros_(self.conv_offset.weight)
        assert self.conv_offset.bias is not None
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Convolves (B, C, H, W) to (B, O, H / stride, W / stride)."""
        moved = self.conv_offset(image)
        offset, mask = moved[:, :18], moved[:, 18:].sigmoid()
        if torch.onnx.is_in_onnx_export():
            return _as_onnx_node(image, offset, mask, self.weight, self.stride, self.dilation)
        return deform_conv2d(image, offset, mask, self.weight, self.stride, self.dilation)


def deform_conv2d(
    image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, dilation: int
) -> Tensor:
    """Convolves `image` with taps moved by `offset` (px) and scaled by `mask`; "same" padding.

    Args:
        image: (B, C, H, W).
        offset: (B, 2 K, h, w) in px, tap-major, (dy, dx) per tap, K = kernel height * width.
        mask: (B, K, h, w).
        weight: (O, C, kH, kW), odd kernel sizes.
        stride: Step between output pixels in px.
        dilation: Step between taps in px.

    Returns:
        (B, O, h, w).
    """
    batch, channels, height, width = image.shape
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[-2:]
    rows = image.permute(0, 2, 3, 1).reshape(batch * height * width, channels)  # (B H W, C)
    grid_y = torch.arange(out_h, device=image.device, dtype=image.dtype)[:, None] * stride
    grid_x = torch.arange(out_w, device=image.device, dtype=image.dtype)[None, :] * stride
    total = image.new_zeros(batch * out_h * out_w, out_channels)
    for tap in range(kernel_h * kernel_w):
        tap_y, tap_x = divmod(tap, kernel_w)
        y = grid_y + float((tap_y - kernel_h // 2) * dilation) + offset[:, 2 * tap]  # (B, h, w)
        x = grid_x + float((tap_x - kernel_w // 2) * dilation) + offset[:, 2 * tap + 1]
        sampled = _bilinear_rows(rows, y, x, height, width)  # (B h w, C)
        sampled = sampled * mask[:, tap].reshape(-1, 1)
        total = total + sampled @ weight[:, :, tap_y, tap_x].T
    return total.reshape(batch, out_h, out_w, out_channels).permute(0, 3, 1, 2)


def _bilinear_rows(rows: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Reads `rows` (B H W, C) at pixel positions y, x (B, h, w); returns (B h w, C), zeros outside."""
    batch = y.shape[0]
    top, left = y.floor(), x.floor()
    first = torch.arange(batch, device=y.device).reshape(-1, 1, 1) * (height * width)
    result = rows.new_zeros(y.numel(), rows.shape[1])
    for down in (0, 1):
        for right in (0, 1):
            corner_y, corner_x = top + down, left + right
            share = (1 - (y - corner_y).abs()) * (1 - (x - corner_x).abs())
            inside = (corner_y >= 0) & (corner_y < height) & (corner_x >= 0) & (corner_x < width)
            at = corner_y.clamp(0, height - 1) * width + corner_x.clamp(0, width - 1)  # exact below 2**24
            index = (first + at.long()).reshape(-1)
            result = result + rows[index] * (share * inside).reshape(-1, 1)
    return result


def _as_onnx_node(
    image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, dilation: int
) -> Tensor:
    """Stands for one ONNX `DeformConv` while a graph is being exported (its values are not computed)."""
    out_channels, _, kernel_h, kernel_w = weight.shape
    pad_h, pad_w = kernel_h // 2 * dilation, kernel_w // 2 * dilation
    result: Tensor = torch.onnx.ops.symbolic(
        "DeformConv",
        (image, weight, offset, image.new_zeros(out_channels), mask),
        attrs={
            "dilations": [dilation, dilation],
            "group": 1,
            "kernel_shape": [kernel_h, kernel_w],
            "offset_group": 1,
            "pads": [pad_h, pad_w, pad_h, pad_w],
            "strides": [stride, stride],
        },
        dtype=image.dtype,
        shape=(image.shape[0], out_channels, *offset.shape[-2:]),
        version=DEFORM_CONV_OPSET,
    )
    return result
