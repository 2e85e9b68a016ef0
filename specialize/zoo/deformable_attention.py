"""Multi-scale deformable attention: every query reads a few points of feature maps and weighs them.

Written so that an export has one `GridSample -> Mul -> ReduceSum` per level, tensors of at most five
dimensions, and never the samples of two levels at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LevelShapes = tuple[tuple[int, int], ...]


def sample_levels(value: Tensor, levels: LevelShapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Reads points of feature maps and sums them with weights, level by level.

    Args:
        value: (N, S, C) maps of all levels, each flattened row by row, one after the other.
        levels: Height and width of each level.
        locations: (N, Q, M, L * P * 2), x and y as fractions of the map, for M heads, L levels, P points.
        weights: (N, Q, M, L * P).

    Returns:
        (N, Q, C). Points outside a map read zero.
    """
    batch, queries, heads, samples = weights.shape
    points, channels = samples // len(levels), value.shape[-1]
    grids = locations * 2.0 - 1.0
    total, start = None, 0
    for level, (height, width) in enumerate(levels):
        maps = _part(value, 1, start, height * width).transpose(1, 2)  # (N, C, h w)
        maps = maps.reshape(batch * heads, channels // heads, height, width)
        grid = _part(grids, 3, level * points * 2, points * 2).transpose(1, 2)  # (N, M, Q, P * 2)
        grid = grid.reshape(batch * heads, queries, points, 2)
        weight = _part(weights, 3, level * points, points).transpose(1, 2)  # (N, M, Q, P)
        weight = weight.reshape(batch * heads, 1, queries, points)
        read = F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        summed = (read * weight).sum(-1)  # (N * M, d, Q)
        total = summed if total is None else total + summed
        start += height * width
    assert total is not None
    return total.reshape(batch, channels, queries).transpose(1, 2)


def _part(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Returns `length` entries along `dim`; the tensor itself if these are all (no idle Slice in a graph)."""
    return x if length == x.shape[dim] else x.narrow(dim, start, length)


def offset_sizes(levels: LevelShapes, heads: int, points: int, anchors: int) -> Tensor:
    """Returns what turns offsets in px into fractions: (M * L * P / D, D * 2) widths and heights."""
    sizes = torch.tensor([[width, height] for height, width in levels], dtype=torch.float32)  # (L, 2)
    per_level = sizes[:, None, :].expand(len(levels), points, 2)
    return per_level[None].expand(heads, -1, -1, -1).reshape(-1, anchors * 2)


class DeformableSampling(nn.Module):
    """Deformable attention up to, not including, its output projection.

    Each query has D reference points ("anchors"); sampling point p uses anchor p % D.

    Args:
        dims: Channels of queries and maps.
        levels: Height and width of each feature map.
        heads: Number of heads M.
        points: Sampling points P per head and level.
        anchors: Reference points D per query; P is a multiple of D.
    """

    offset_sizes: Tensor

    def __init__(self, dims: int, levels: LevelShapes, heads: int, points: int, anchors: int = 1) -> None:
        super().__init__()
        self.levels, self.heads, self.anchors = levels, heads, anchors
        samples = heads * len(levels) * points
        self.sampling_offsets = nn.Linear(dims, samples * 2)
        self.attention_weights = nn.Linear(dims, samples)
        self.value_proj = nn.Linear(dims, dims)
        sizes = offset_sizes(levels, heads, points, anchors)
        self.register_buffer("offset_sizes", sizes, persistent=False)

    def sample(self, query: Tensor, value: Tensor, reference: Tensor) -> Tensor:
        """Returns what each query reads, (N, Q, C).

        Args:
            query: (N, Q, C).
            value: (N, S, C) flattened maps of all levels.
            reference: (N, Q, D, 2), x and y as fractions of the image; any value, outside reads zero.
        """
        batch, queries = query.shape[:2]
        offsets = self.sampling_offsets(query).reshape(batch, queries, -1, self.anchors * 2)
        anchors = reference.reshape(batch, queries, 1, self.anchors * 2)
        locations = anchors + offsets / self.offset_sizes  # (N, Q, M * L * P / D, D * 2)
        locations = locations.reshape(batch, queries, self.heads, -1)  # (N, Q, M, L * P * 2)
        weights = self.attention_weights(query).reshape(batch, queries, self.heads, -1).softmax(-1)
        return sample_levels(self.value_proj(value), self.levels, locations, weights)


class DeformableAttention(DeformableSampling):
    """Deformable attention of (B, Q, C) queries with their position, projected and added to the input."""

    def __init__(self, dims: int, levels: LevelShapes, heads: int, points: int) -> None:
        super().__init__(dims, levels, heads, points)
        self.output_proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor, position: Tensor, value: Tensor, reference: Tensor) -> Tensor:
        """Maps rows and positions (1, Q, C), maps (1, S, C), reference (1, Q, 1, 2) to (1, Q, C)."""
        read = self.sample(x + position, value, reference)
        return x + self.output_proj(read)  # type: ignore[no-any-return]


class SpatialCrossAttention(nn.Module):
    """Every query reads the cameras that see it, and takes the mean.

    This is the zero-padded form: all cameras compute all queries, masks remove what a camera does not see.
    """

    def __init__(self, dims: int, levels: LevelShapes, heads: int, points: int, anchors: int) -> None:
        super().__init__()
        self.deformable_attention = DeformableSampling(dims, levels, heads, points, anchors)
        self.output_proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor, value: Tensor, reference: Tensor, seen: Tensor) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C).

        Args:
            x: (1, Q, C).
            value: (N, S, C) flattened maps of all levels per camera.
            reference: (N, Q, D, 2) projected anchors, fractions of the network's image.
            seen: (N, Q, 1) ones and zeros.
        """
        queries = x * seen  # (N, Q, C)
        read = self.deformable_attention.sample(queries, value, reference) * seen
        cameras = seen.sum(0).clamp(min=1.0)  # (Q, 1)
        mean = read.sum(0, keepdim=True) / cameras  # (1, Q, C)
        return x + self.output_proj(mean)  # type: ignore[no-any-return]


def level_shapes(image_px: Sequence[int], strides: Sequence[int]) -> LevelShapes:
    """Returns (height, width) per map of an image of (width, height) px, rounded up as convolutions do."""
    width, height = image_px
    return tuple((-(-height // stride), -(-width // stride)) for stride in strides)
