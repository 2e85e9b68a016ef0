"""Backbones and necks: names, shapes, and the places where styles differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from specialize.zoo.backbone import Bottleneck, ResNet
from specialize.zoo.deform_conv import ModulatedDeformConv2d
from specialize.zoo.neck import FPN
from tests.zoo.parity import load_record

pytestmark = pytest.mark.torch

BACKBONES: dict[str, dict[str, Any]] = {
    "bevformer_tiny": {"depth": 50, "out_indices": (3,)},
    "bevformer_base": {"depth": 101, "out_indices": (1, 2, 3), "dcn_stages": (2, 3), "style": "caffe"},
    "streampetr": {"depth": 50, "out_indices": (2, 3)},
}


@pytest.mark.parametrize("name", BACKBONES)
def test_has_the_names_of_public_checkpoints(name: str) -> None:
    """Keys and shapes of the image backbone are those of the record, in its order."""
    prefix = "img_backbone."
    want = [
        (key, shape) for key, shape in load_record(name)["state_dict"] if key.startswith(prefix)
    ]  # in the order of the original
    with torch.device("meta"):
        state = ResNet(**BACKBONES[name]).state_dict()
    assert [[prefix + key, list(value.shape)] for key, value in state.items()] == [
        list(pair) for pair in want
    ]


def test_the_style_says_which_convolution_has_the_stride() -> None:
    """`pytorch` strides in the 3x3 convolution, `caffe` in the first 1x1, deformable or not."""
    modern = Bottleneck(64, 32, 2, "pytorch", deformable=False)
    older = Bottleneck(64, 32, 2, "caffe", deformable=True)
    assert (modern.conv1.stride, modern.conv2.stride) == ((1, 1), (2, 2))
    assert (older.conv1.stride, older.conv2.stride) == ((2, 2), 1)
    assert isinstance(older.conv2, ModulatedDeformConv2d)


def test_maps_have_the_strides_of_their_stages() -> None:
    """Stage i has stride 2**(i+2) and 256 * 2**i channels; sizes that do not divide are rounded up."""
    with torch.device("meta"):
        maps = ResNet(50, (0, 1, 2, 3))(torch.zeros(2, 3, 70, 96))
    assert [tuple(x.shape) for x in maps] == [
        (2, 256, 18, 24),
        (2, 512, 9, 12),
        (2, 1024, 5, 6),
        (2, 2048, 3, 3),
    ]


@torch.no_grad()
def test_further_maps_follow_the_last() -> None:
    """`on_output` makes further maps by strided convolutions, with a ReLU from the second on if asked."""
    maps = (torch.randn(1, 4, 8, 8), torch.randn(1, 6, 4, 4))
    neck = FPN([4, 6], 5, num_outs=4, add_extra_convs="on_output", relu_before_extra_convs=True)
    outs = neck(maps)
    assert [tuple(x.shape[-2:]) for x in outs] == [(8, 8), (4, 4), (2, 2), (1, 1)]
    torch.testing.assert_close(outs[2], neck.fpn_convs[2](outs[1]))
    torch.testing.assert_close(outs[3], neck.fpn_convs[3](outs[2].relu()))


@torch.no_grad()
def test_coarse_maps_are_added_to_finer_ones() -> None:
    """A level is its own map plus the coarser one enlarged; levels beyond `smoothed` stay as they are."""
    maps = (torch.randn(1, 4, 4, 4), torch.randn(1, 6, 2, 2))
    neck = FPN([4, 6], 5, num_outs=3, smoothed=1)
    fine, coarse, further = neck(maps)
    lateral = neck.lateral_convs[1](maps[1])
    torch.testing.assert_close(coarse, lateral)
    torch.testing.assert_close(further, lateral[..., ::2, ::2])
    enlarged = lateral.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(fine, neck.fpn_convs[0](neck.lateral_convs[0](maps[0]) + enlarged))
