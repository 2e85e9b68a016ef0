"""Deformable convolution: the eager form, and the node it becomes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from specialize.zoo.deform_conv import DEFORM_CONV_OPSET, ModulatedDeformConv2d, deform_conv2d

pytestmark = pytest.mark.torch


def scalar_loop(
    image: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: int, dilation: int
) -> Tensor:
    """One multiplication at a time, by the definition."""

    def read(plane: Tensor, y: float, x: float) -> float:
        height, width = plane.shape
        total = 0.0
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < height and 0 <= column < width:
                    total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
        return total

    out_h, out_w = offset.shape[-2:]
    result = torch.zeros(image.shape[0], weight.shape[0], out_h, out_w, dtype=image.dtype)
    for b, o, i, j in np.ndindex(*result.shape):
        for c, ky, kx in np.ndindex(image.shape[1], 3, 3):
            tap = 3 * ky + kx
            y = i * stride + (ky - 1) * dilation + float(offset[b, 2 * tap, i, j])
            x = j * stride + (kx - 1) * dilation + float(offset[b, 2 * tap + 1, i, j])
            result[b, o, i, j] += (
                float(weight[o, c, ky, kx]) * float(mask[b, tap, i, j]) * read(image[b, c], y, x)
            )
    return result


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_equals_the_definition(stride: int, dilation: int) -> None:
    """The vectorised form equals a scalar loop to float64 rounding, offsets far outside the map included."""
    generator = torch.Generator().manual_seed(7)
    out = (5 + stride - 1) // stride, (4 + stride - 1) // stride
    image = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    offset = 3 * torch.randn(2, 18, *out, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 9, *out, generator=generator, dtype=torch.float64)
    weight = torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64)
    got = deform_conv2d(image, offset, mask, weight, stride, dilation)
    torch.testing.assert_close(
        got, scalar_loop(image, offset, mask, weight, stride, dilation), rtol=0, atol=1e-13
    )


def test_zero_offset_is_a_plain_convolution() -> None:
    """With zero offsets and logits the layer is half of the plain convolution with its weight."""
    layer = ModulatedDeformConv2d(4, 6, stride=2).eval()
    image = torch.randn(1, 4, 9, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = 0.5 * torch.nn.functional.conv2d(image, layer.weight, stride=2, padding=1)
        torch.testing.assert_close(layer(image), want, rtol=0, atol=1e-6)


def test_becomes_one_node_that_computes_the_same(tmp_path: Path) -> None:
    """The exported graph holds one `DeformConv`, and ONNX Runtime computes what torch computes."""
    torch.manual_seed(3)
    layer = ModulatedDeformConv2d(4, 6).eval()
    torch.nn.init.normal_(layer.conv_offset.weight, std=0.3)
    image = torch.randn(2, 4, 9, 7)
    path = tmp_path / "layer.onnx"
    torch.onnx.export(layer, (image,), str(path), opset_version=DEFORM_CONV_OPSET, dynamo=True)
    assert [n.op_type for n in onnx.load(path).graph.node].count("DeformConv") == 1
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(got, layer(image).numpy(), rtol=0, atol=1e-5)
