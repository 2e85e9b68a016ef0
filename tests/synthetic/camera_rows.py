"""Rows of cameras: batched from queries, written back to them, and summed as chips want it.

Shape letters: N cameras, Q queries, D anchors per query, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def batched(
    query: Tensor, maps: Tensor, reference: Tensor, indexes: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns each camera's queries (N, longest, C), the maps, and the references of those queries."""
    longest = torch.stack([torch.as_tensor(index.shape[0]) for index in indexes]).max()
    rows = query.new_zeros(len(indexes), longest, query.shape[-1])
    places = reference.new_zeros(len(indexes), longest, reference.shape[2], 2)
    for camera, index in enumerate(indexes):
        rows[camera, : index.shape[0]] = query[0, index]
        places[camera, : index.shape[0]] = reference[camera, index]
    return rows, maps, places


def written(query: Tensor, read: Tensor, indexes: Sequence[Tensor]) -> Tensor:
    """Returns rows (N, longest, C) added to slots like the queries."""
    slots = torch.zeros_like(query)
    for camera, index in enumerate(indexes):
        slots[0, index] += read[camera, : index.shape[0]]
    return slots


def convolved(read: Tensor) -> Tensor:
    """Sum (N, Q, C) over cameras as chips without such sums want it: a convolution of kernel 1, a group per channel."""
    cameras, _, channels = read.shape
    image = read.permute(2, 0, 1).reshape(1, channels * cameras, -1, 1)
    ones = torch.ones(channels, cameras, 1, 1)
    return F.conv2d(image, ones, groups=channels).squeeze(-1).transpose(1, 2)  # (1, Q, C)
