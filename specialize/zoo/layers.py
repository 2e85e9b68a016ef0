"""Small layers that several transformers of the zoo share, with the parameter names of public checkpoints.

Everything is batch first: rows are (B, Q, C) with B batch or cameras, Q queries, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INVERSE_SIGMOID_EPS = 1e-5


def inverse_sigmoid(x: Tensor) -> Tensor:
    """Returns log(x / (1 - x)) of values in [0, 1], with both terms kept above 1e-5."""
    x = x.clamp(min=0.0, max=1.0)
    return torch.log(x.clamp(min=INVERSE_SIGMOID_EPS) / (1.0 - x).clamp(min=INVERSE_SIGMOID_EPS))


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between them, added to the input."""

    def __init__(self, dims: int, hidden: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(dims, hidden), nn.ReLU())
        self.layers = nn.ModuleList([first, nn.Linear(hidden, dims)])

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, Q, C) to (B, Q, C)."""
        first, second = self.layers
        return x + second(first(x))  # type: ignore[no-any-return]


class MultiheadWeights(nn.Module):
    """The parameters of one multi-head attention: a joint projection of query, key and value, and one out."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * dims, dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dims))
        self.out_proj = nn.Linear(dims, dims)


class SelfAttention(nn.Module):
    """Multi-head self-attention; the position is added to query and key only, the input to the result."""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attn = MultiheadWeights(dims)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Maps rows (1, Q, C) with positions (1, Q, C) to (1, Q, C)."""
        placed = x + position
        query, key, value = (self._project(rows, part) for part, rows in enumerate((placed, placed, x)))
        scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(1, 2))  # (M, Q, Q)
        mixed = torch.matmul(scores.softmax(-1), value)  # (M, Q, d)
        rows = mixed.transpose(0, 1).reshape(x.shape)  # (Q, M, d) -> (1, Q, C)
        return x + self.attn.out_proj(rows)  # type: ignore[no-any-return]

    def _project(self, rows: Tensor, part: int) -> Tensor:
        """Returns query (part 0), key (1) or value (2) of rows (1, Q, C), per head: (M, Q, d)."""
        dims = rows.shape[-1]
        weight = self.attn.in_proj_weight[part * dims : (part + 1) * dims]
        bias = self.attn.in_proj_bias[part * dims : (part + 1) * dims]
        projected = F.linear(rows, weight, bias)
        return projected.reshape(-1, self.heads, dims // self.heads).transpose(0, 1)  # (Q, M, d) -> (M, Q, d)


class LearnedPositions(nn.Module):
    """A learned position per cell of a grid: half of the channels from its column, half from its row."""

    def __init__(self, rows: int, columns: int, dims: int) -> None:
        super().__init__()
        self.row_embed = nn.Embedding(rows, dims // 2)
        self.col_embed = nn.Embedding(columns, dims // 2)

    def forward(self) -> Tensor:
        """Returns (1, H * W, C), cell h * W + w."""
        row, column = self.row_embed.weight, self.col_embed.weight
        height, width, half = row.shape[0], column.shape[0], row.shape[1]
        by_column = column[None].expand(height, width, half)
        by_row = row[:, None].expand(height, width, half)
        cells = torch.cat([by_column, by_row], dim=-1)  # (H, W, C)
        return cells.reshape(1, height * width, 2 * half)
