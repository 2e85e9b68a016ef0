"""BEVFormer's encoder: BEV queries look at their own past and at the cameras.

Shape letters: N cameras, Q = H * W BEV queries (cell h * W + w), D heights ("anchors"), C channels,
S map cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from specialize.zoo.deformable_attention import (
    LevelShapes,
    SpatialCrossAttention,
    offset_sizes,
    sample_levels,
)
from specialize.zoo.layers import FeedForward
from specialize.zoo.lens_sight import look_through
from specialize.zoo.sight import Sight, look

QUEUE = 2  # the previous and the current BEV

RangeM = tuple[float, float, float, float, float, float]


class History(NamedTuple):
    """What temporal self-attention reads besides the layer's own query.

    Attributes:
        values: (2, Q, C): the previous BEV, turned, and the encoder's first query.
        use: (1,) one if there is a history, else zero.
        reference: (2, Q, 1, 2) where each query looks in either, as fractions of the grid.
    """

    values: Tensor
    use: Tensor
    reference: Tensor


class TemporalSelfAttention(nn.Module):
    """Deformable attention of BEV queries to the previous and the current BEV."""

    offset_sizes: Tensor

    def __init__(self, dims: int, bev_shape: tuple[int, int], heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels = heads, (bev_shape,)
        samples = QUEUE * heads * points
        self.sampling_offsets = nn.Linear(QUEUE * dims, samples * 2)
        self.attention_weights = nn.Linear(QUEUE * dims, samples)
        self.value_proj = nn.Linear(dims, dims)
        self.output_proj = nn.Linear(dims, dims)
        sizes = offset_sizes(self.levels, 1, points, points).reshape(points * 2)
        self.register_buffer("offset_sizes", sizes, persistent=False)

    def forward(self, x: Tensor, position: Tensor, history: History) -> Tensor:
        """Maps queries and positions (1, Q, C) to (1, Q, C)."""
        value = history.values * history.use + x * (1.0 - history.use)  # (2, Q, C), exact for use 0 and 1
        query = torch.cat([value[:1], x + position], dim=-1)  # (1, Q, 2 C)
        offsets = self._per_frame(self.sampling_offsets(query)) / self.offset_sizes  # (2, Q, M, P * 2)
        points = offsets.shape[-1] // 2
        reference = torch.cat([history.reference] * points, dim=-1)  # (2, Q, 1, P * 2)
        weights = self._per_frame(self.attention_weights(query)).softmax(-1)  # (2, Q, M, P)
        read = sample_levels(self.value_proj(value), self.levels, reference + offsets, weights)  # (2, Q, C)
        mean = (read[:1] + read[1:]) / QUEUE
        return x + self.output_proj(mean)  # type: ignore[no-any-return]

    def _per_frame(self, rows: Tensor) -> Tensor:
        """Takes (1, Q, M * 2 * K) apart into (2, Q, M, K)."""
        queries = rows.shape[1]
        return rows.reshape(queries, self.heads, QUEUE, -1).permute(2, 0, 1, 3)


class EncoderLayer(nn.Module):
    """Temporal self-attention, spatial cross-attention, feed-forward, each followed by a norm."""

    def __init__(self, temporal: TemporalSelfAttention, spatial: SpatialCrossAttention, dims: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([temporal, spatial])
        self.ffns = nn.ModuleList([FeedForward(dims, 2 * dims)])
        self.norms = nn.ModuleList([nn.LayerNorm(dims) for _ in range(3)])

    def forward(self, x: Tensor, position: Tensor, history: History, value: Tensor, sight: Sight) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); `value` is (N, S, C)."""
        temporal, spatial = self.attentions
        x = self.norms[0](temporal(x, position, history))
        x = self.norms[1](spatial(x, value, sight.reference, sight.seen))
        return self.norms[2](self.ffns[0](x))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """A stack of layers, and the projection of the grid into the cameras, which they share."""

    points_m: Tensor
    image_px: Tensor

    def __init__(
        self,
        layers: list[EncoderLayer],
        bev_shape: tuple[int, int],
        range_m: RangeM,
        anchors: int,
        image_px: tuple[int, int],
        lens: str = "",
    ) -> None:
        super().__init__()
        self.anchors, self.lens = anchors, lens
        self.layers = nn.ModuleList(layers)
        self.register_buffer("points_m", pillar_points_m(bev_shape, range_m, anchors), persistent=False)
        size = torch.tensor(image_px, dtype=torch.float32).reshape(2, 1)
        self.register_buffer("image_px", size, persistent=False)

    def forward(
        self, x: Tensor, position: Tensor, history: History, value: Tensor, *calibration: Tensor
    ) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); value (N, S, C), calibration as `look` takes it."""
        sight = self.look(*calibration)
        for layer in self.layers:
            x = layer(x, position, history, value, sight)
        return x

    def look(self, *calibration: Tensor) -> Sight:
        """Projects every anchor of every query into every camera, in float32.

        Calibration is `lidar2img` (1, N, 4, 4) to network px; with lenses `lidar2cam` (1, N, 4, 4) and `lens`.
        """
        if not self.lens:
            (lidar2img,) = calibration
            return look(self.points_m, lidar2img, self.image_px, self.anchors)
        lidar2cam, lens = calibration
        return look_through(self.points_m, lidar2cam, lens, self.image_px, self.anchors, self.lens)


def pillar_points_m(bev_shape: tuple[int, int], range_m: RangeM, anchors: int) -> Tensor:
    """Returns (4, Q * D) homogeneous points in the lidar frame (m): the anchors of each cell's pillar.

    Rounded in float32 at the same steps as the model's training code, so that points on an image border
    fall on the same side.
    """
    (height, width), depth = bev_shape, range_m[5] - range_m[2]
    x = torch.linspace(0.5, width - 0.5, width) / width * (range_m[3] - range_m[0]) + range_m[0]
    y = torch.linspace(0.5, height - 0.5, height) / height * (range_m[4] - range_m[1]) + range_m[1]
    z = torch.linspace(0.5, depth - 0.5, anchors) / depth * (range_m[5] - range_m[2]) + range_m[2]
    size = (height, width, anchors)
    axes = (x[None, :, None], y[:, None, None], z[None, None, :], torch.ones(1, 1, 1))
    return torch.stack([axis.expand(size).reshape(-1) for axis in axes])


def cell_centres(bev_shape: tuple[int, int]) -> Tensor:
    """Returns (1, Q, 1, 2): x and y of each cell's centre as fractions of the grid."""
    height, width = bev_shape
    y, x = torch.meshgrid(
        torch.linspace(0.5, height - 0.5, height) / height,
        torch.linspace(0.5, width - 0.5, width) / width,
        indexing="ij",
    )
    return torch.stack([x, y], dim=-1).reshape(1, -1, 1, 2)


def encoder_layers(
    count: int, dims: int, heads: int, bev_shape: tuple[int, int], levels: LevelShapes, anchors: int
) -> list[EncoderLayer]:
    """Returns `count` layers with the numbers of points that all BEVFormers have: 4 in time, 8 in space."""
    return [
        EncoderLayer(
            TemporalSelfAttention(dims, bev_shape, heads, points=4),
            SpatialCrossAttention(dims, levels, heads, points=8, anchors=anchors),
            dims,
        )
        for _ in range(count)
    ]
