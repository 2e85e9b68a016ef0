"""StreamPETR's decoder: queries attend to themselves and to remembered queries, then to all image tokens.

Attention is written as plain softmax attention, which is what the flash attention kernel of the field
computes. Tensors are batch first.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.zoo.layers import FeedForward, MultiheadWeights


class ResidualAttention(nn.Module):
    """Multi-head attention whose input is added to its output."""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attn = MultiheadWeights(dims)

    def forward(self, query: Tensor, query_pos: Tensor, key: Tensor, key_pos: Tensor) -> Tensor:
        """Adds to `query` (B, Q, C) what it reads from `key` (B, K, C); positions do not enter the value."""
        rows = (query + query_pos, key + key_pos, key)
        q, k, v = (self._project(x, part) for part, x in enumerate(rows))
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (B, heads, Q, K)
        mixed = (logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)  # (B, Q, C)
        result: Tensor = query + self.attn.out_proj(mixed)
        return result

    def _project(self, rows: Tensor, part: int) -> Tensor:
        """Makes query (part 0), key (1) or value (2) of rows (B, L, C), per head: (B, heads, L, d)."""
        dims = rows.shape[-1]
        own = slice(part * dims, (part + 1) * dims)
        projected = F.linear(rows, self.attn.in_proj_weight[own], self.attn.in_proj_bias[own])
        return projected.reshape(*projected.shape[:2], self.heads, -1).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Self-attention with memory, attention to the image, feed-forward; a layer norm after each."""

    def __init__(self, dims: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(ResidualAttention(dims, heads) for _ in range(2))
        self.ffns = nn.ModuleList([FeedForward(dims, hidden)])
        self.norms = nn.ModuleList(nn.LayerNorm(dims) for _ in range(3))

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        past: Tensor,
        past_pos: Tensor,
        image: Tensor,
        image_pos: Tensor,
    ) -> Tensor:
        """Refines `query` (B, Q, C) with `past` (B, P, C) and `image` (B, T, C); positions alike."""
        own = torch.cat((query, past), dim=1)  # (B, Q + P, C)
        own_pos = torch.cat((query_pos, past_pos), dim=1)
        query = self.norms[0](self.attentions[0](query, query_pos, own, own_pos))
        query = self.norms[1](self.attentions[1](query, query_pos, image, image_pos))
        result: Tensor = self.norms[2](self.ffns[0](query))
        return result


class Decoder(nn.Module):
    """A stack of layers that returns every layer's normalised state."""

    def __init__(self, dims: int = 256, heads: int = 8, hidden: int = 2048, layers: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(dims, heads, hidden) for _ in range(layers))
        self.post_norm = nn.LayerNorm(dims)

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor,
        past: Tensor,
        past_pos: Tensor,
        image: Tensor,
        image_pos: Tensor,
    ) -> Tensor:
        """Refines `query` (B, Q, C); returns the states of all layers (layers, B, Q, C)."""
        states = []
        for layer in self.layers:
            query = layer(query, query_pos, past, past_pos, image, image_pos)
            states.append(self.post_norm(query))
        return torch.stack(states)
