"""Implement BEVFormer's DETR-style decoder and box head: object queries read the BEV and refine their boxes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specialize.zoo.deformable_attention import DeformableAttention
from specialize.zoo.layers import FeedForward, SelfAttention, inverse_sigmoid

BOX_NUMBERS = 10  # cx, cy, w, l, cz, h, sin, cos, vx, vy


class DecoderLayer(nn.Module):
    """Self-attention, deformable attention to the BEV, feed-forward, each followed by a norm."""

    def __init__(self, dims: int, heads: int, bev_shape: tuple[int, int]) -> None:
        super().__init__()
        cross = DeformableAttention(dims, (bev_shape,), heads, points=4)
        self.attentions = nn.ModuleList([SelfAttention(dims, heads), cross])
        self.ffns = nn.ModuleList([FeedForward(dims, 2 * dims)])
        self.norms = nn.ModuleList([nn.LayerNorm(dims) for _ in range(3)])

    def forward(self, x: Tensor, position: Tensor, bev: Tensor, reference: Tensor) -> Tensor:
        """Maps object queries (1, K, C) to (1, K, C); bev (1, Q, C), reference (1, K, 1, 2) in [0, 1]."""
        attend, cross = self.attentions
        x = self.norms[0](attend(x, position))
        x = self.norms[1](cross(x, position, bev, reference))
        return self.norms[2](self.ffns[0](x))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """A stack of layers; the boxes of each are the reference points of the next."""

    def __init__(self, count: int, dims: int, heads: int, bev_shape: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([DecoderLayer(dims, heads, bev_shape) for _ in range(count)])


def refine(raw: Tensor, reference: Tensor) -> Tensor:
    """Returns centres (1, K, 3) in [0, 1]: `reference` (1, K, 3) moved by cx, cy, cz of `raw` (1, K, 10)."""
    moved = torch.cat([raw[..., 0:2], raw[..., 4:5]], dim=-1)
    return (moved + inverse_sigmoid(reference)).sigmoid()


def boxes_m(raw: Tensor, centre: Tensor, range_m: tuple[float, ...]) -> Tensor:
    """Returns boxes (1, K, 10): `raw` with its centres replaced by `centre` (1, K, 3), in m of `range_m`."""
    x, y, z = (
        centre[..., axis : axis + 1] * (range_m[axis + 3] - range_m[axis]) + range_m[axis]
        for axis in range(3)
    )
    return torch.cat([x, y, raw[..., 2:4], z, raw[..., 5:]], dim=-1)


def class_branch(dims: int, classes: int) -> nn.Sequential:
    """Returns the layers from a decoded query (1, K, C) to class logits (1, K, classes)."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Linear(dims, dims), nn.LayerNorm(dims), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(dims, classes))


def box_branch(dims: int) -> nn.Sequential:
    """Returns the layers from a decoded query (1, K, C) to the numbers of a box (1, K, 10)."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Linear(dims, dims), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(dims, BOX_NUMBERS))
