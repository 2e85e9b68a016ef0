"""Deformable attention, over cameras and over time, as plain loops, one number at a time, in float64."""

from __future__ import annotations

import itertools
import math

import numpy as np
from torch import nn

from specialize.zoo.bevformer_encoder import TemporalSelfAttention
from specialize.zoo.deformable_attention import DeformableSampling, LevelShapes, SpatialCrossAttention


def bilinear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Reads image (h, w, d) at fractions x, y of its size; outside there are zeros."""
    height, width, channels = image.shape
    column, row = x * width - 0.5, y * height - 0.5
    result = np.zeros(channels)
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                result += (1 - abs(row - r)) * (1 - abs(column - c)) * image[r, c]
    return result


def linear(layer: nn.Linear, row: np.ndarray) -> np.ndarray:
    """Applies a torch layer to one row in float64."""
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    return weight @ row + bias


def read_query(
    module: DeformableSampling, points: int, query: np.ndarray, value: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Returns what one query (C,) reads from one camera's maps (S, C) around anchors (D, 2): (C,)."""
    levels, heads, anchors = module.levels, module.heads, module.anchors
    offsets = linear(module.sampling_offsets, query).reshape(heads, len(levels), points, 2)
    logits = linear(module.attention_weights, query).reshape(heads, len(levels) * points)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    maps = _split(np.stack([linear(module.value_proj, row) for row in value]), levels)
    size = query.shape[0] // heads
    result = np.zeros_like(query)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for level, (height, width) in enumerate(levels):
            for point in range(points):
                x = reference[point % anchors, 0] + offsets[head, level, point, 0] / width
                y = reference[point % anchors, 1] + offsets[head, level, point, 1] / height
                weight = weights[head, level * points + point]
                result[part] += weight * bilinear(maps[level][..., part], x, y)
    return result


def rebatched_cross_attention(
    module: SpatialCrossAttention,
    points: int,
    x: np.ndarray,
    value: np.ndarray,
    reference: np.ndarray,
    seen: np.ndarray,
) -> np.ndarray:
    """Returns the cross-attention computed for seen pairs only, as the original code does.

    Args:
        module: Holds the weights.
        points: Sampling points per head and level.
        x: (Q, C).
        value: (N, S, C).
        reference: (N, Q, D, 2).
        seen: (N, Q) bool.
    """
    slots = np.zeros_like(x)
    for camera, queries in enumerate(seen):
        for query in np.nonzero(queries)[0]:
            args = x[query], value[camera], reference[camera, query]
            slots[query] += read_query(module.deformable_attention, points, *args)
    mean = slots / np.maximum(seen.sum(0), 1)[:, None]
    return x + np.stack([linear(module.output_proj, row) for row in mean])


def _split(value: np.ndarray, levels: LevelShapes) -> list[np.ndarray]:
    """Takes (S, C) apart into maps (h, w, C)."""
    ends = np.cumsum([height * width for height, width in levels])[:-1]
    parts = np.split(value, ends)
    return [part.reshape(height, width, -1) for part, (height, width) in zip(parts, levels, strict=True)]


def temporal_attention(
    module: TemporalSelfAttention,
    x: np.ndarray,
    position: np.ndarray,
    values: tuple[np.ndarray, np.ndarray],
    references: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Returns temporal self-attention of rows (Q, C): the mean of what is read from two BEVs.

    Args:
        module: Holds the weights.
        x: (Q, C).
        position: (Q, C).
        values: Previous and current BEV, (Q, C) each.
        references: Where each query looks in either, (Q, 2) each.
    """
    heads, (shape,) = module.heads, module.levels
    points = module.offset_sizes.shape[0] // 2
    size = x.shape[1] // heads
    maps = [
        np.stack([linear(module.value_proj, row) for row in value]).reshape(*shape, -1) for value in values
    ]
    result = np.zeros_like(x)
    for query, row in enumerate(x):
        both = np.concatenate([values[0][query], row + position[query]])
        offsets = linear(module.sampling_offsets, both).reshape(heads, 2, points, 2)
        logits = linear(module.attention_weights, both).reshape(heads, 2, points)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        read = np.zeros_like(row)
        for head, frame, point in itertools.product(range(heads), range(2), range(points)):
            part = slice(head * size, (head + 1) * size)
            at = references[frame][query] + offsets[head, frame, point] / shape[::-1]
            read[part] += weights[head, frame, point] * bilinear(maps[frame][..., part], at[0], at[1])
        result[query] = row + linear(module.output_proj, read / 2)
    return result
