"""Sine encodings of positions, times and poses, and the two layers that condition features on a code.

The order of channels is part of the models' weights: checkpoints were trained with exactly this order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sine_encoding(position: Tensor, channels: int) -> Tensor:
    """Encodes each number of (...,) as `channels` sines and cosines, interleaved: (..., channels)."""
    pair = torch.div(torch.arange(channels, dtype=torch.float32), 2, rounding_mode="floor")
    wavelength = 10000 ** (2 * pair / channels)  # (channels,), each value twice
    phase = (position * (2 * math.pi))[..., None] / wavelength.to(position.device)
    pairs = torch.stack((phase[..., 0::2].sin(), phase[..., 1::2].cos()), dim=-1)  # (..., channels / 2, 2)
    return pairs.flatten(-2)


def point_encoding(points: Tensor, channels: int = 128) -> Tensor:
    """Encodes points (..., 3), normalised to [0, 1], as (..., 3 * channels), in the order y, x, z."""
    codes = sine_encoding(points, channels)  # (..., 3, channels)
    return torch.cat((codes[..., 1, :], codes[..., 0, :], codes[..., 2, :]), dim=-1)


def octave_encoding(x: Tensor, octaves: int = 6) -> Tensor:
    """Encodes (..., C) as (..., 2 * octaves * C): sines, then cosines, of 1, 2, 4 ... times the values."""
    factors = 2.0 ** torch.arange(octaves, dtype=x.dtype, device=x.device)
    phase = x[..., None, :] * factors[:, None]  # (..., octaves, C)
    return torch.cat((phase.sin(), phase.cos()), dim=-1).flatten(-2)


class ConditionalNorm(nn.Module):
    """A layer norm whose scale and shift are computed from a code ("motion-aware layer normalisation")."""

    def __init__(self, code_dims: int, dims: int = 256) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Linear(code_dims, dims), nn.ReLU())
        self.gamma = nn.Linear(dims, dims)
        self.beta = nn.Linear(dims, dims)
        self.norm = nn.LayerNorm(dims, elementwise_affine=False)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Normalises `x` (B, L, C) under `code` (B, L, code_dims); returns (B, L, C)."""
        hidden = self.reduce(code)
        result: Tensor = self.gamma(hidden) * self.norm(x) + self.beta(hidden)
        return result


class Gate(nn.Module):
    """Scales features channel by channel with a sigmoid computed from other features."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Linear(dims, dims)
        self.conv_expand = nn.Linear(dims, dims)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Scales `x` (B, L, C) by a gate made of `other` (B, L, C)."""
        gate = self.conv_expand(torch.relu(self.conv_reduce(other)))
        return x * torch.sigmoid(gate)
