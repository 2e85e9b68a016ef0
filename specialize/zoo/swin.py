"""Swin transformer (tiny), with the parameter names of public detection checkpoints.

Tokens attend to each other within windows of 7x7; every second block moves the windows by 3, and a mask keeps
tokens apart that were not neighbours before the move. No tensor has more than five dimensions.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 7
SHIFT = WINDOW // 2
PATCH = 4
APART = -100.0  # added to the attention of tokens that must not see each other


class SwinTransformer(nn.Module):
    """A Swin transformer that returns the maps of its stages 1, 2 and 3.

    Args:
        dims: Channels of the first stage; they double from stage to stage.
        depths: Blocks per stage.
        heads: Heads per stage.
    """

    OUT_STAGES = (1, 2, 3)

    def __init__(
        self,
        dims: int = 96,
        depths: tuple[int, ...] = (2, 2, 6, 2),
        heads: tuple[int, ...] = (3, 6, 12, 24),
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(dims)
        widths = [dims * 2**stage for stage in range(len(depths))]
        self.stages = nn.ModuleList(
            Stage(width, count, per_block, merges=stage < len(depths) - 1)
            for stage, (width, count, per_block) in enumerate(zip(widths, depths, heads, strict=True))
        )
        for stage in self.OUT_STAGES:
            self.add_module(f"norm{stage}", nn.LayerNorm(widths[stage]))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, 3, H, W) to (B, 192, H/8, W/8), (B, 384, H/16, W/16) and (B, 768, H/32, W/32)."""
        x = self.patch_embed(image)  # (B, h, w, C)
        maps = []
        for index in range(len(self.stages)):
            stage = cast(Stage, self.stages[index])
            x = stage.attend(x)
            if index in self.OUT_STAGES:
                maps.append(self.get_submodule(f"norm{index}")(x).permute(0, 3, 1, 2))
            x = stage.merge(x)
        return tuple(maps)


class PatchEmbedding(nn.Module):
    """Cuts the image into 4x4 patches."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, dims, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(dims)

    def forward(self, image: Tensor) -> Tensor:
        """Maps (B, 3, H, W) to (B, H/4, W/4, C)."""
        result: Tensor = self.norm(self.projection(image).permute(0, 2, 3, 1))
        return result


class Stage(nn.Module):
    """Blocks at one resolution, and the step to the next."""

    def __init__(self, dims: int, count: int, heads: int, merges: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dims, heads, shifted=index % 2 == 1) for index in range(count))
        self.downsample = PatchMerging(dims) if merges else None

    def attend(self, x: Tensor) -> Tensor:
        """Maps (B, h, w, C) to (B, h, w, C)."""
        for block in self.blocks:
            x = block(x)
        return x

    def merge(self, x: Tensor) -> Tensor:
        """Maps (B, h, w, C) to (B, h/2, w/2, 2 C), or leaves it after the last stage."""
        return x if self.downsample is None else self.downsample(x)


class PatchMerging(nn.Module):
    """Joins 2x2 tokens into one of twice the width."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dims)
        self.reduction = nn.Linear(4 * dims, 2 * dims, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, h, w, C) to (B, h/2, w/2, 2 C); h and w are even."""
        corners = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        joined = torch.stack(corners, dim=-1).flatten(-2)  # (B, h/2, w/2, 4 C), channel by channel
        result: Tensor = self.reduction(self.norm(joined))
        return result


class Block(nn.Module):
    """Window attention and a feed-forward, each behind a norm and added to its input."""

    def __init__(self, dims: int, heads: int, shifted: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dims)
        self.attn = nn.ModuleDict({"w_msa": WindowAttention(dims, heads)})
        self.norm2 = nn.LayerNorm(dims)
        first = nn.Sequential(nn.Linear(dims, 4 * dims), nn.GELU())
        self.ffn = nn.ModuleDict({"layers": nn.ModuleList([first, nn.Linear(4 * dims, dims)])})
        self.shift = SHIFT if shifted else 0

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, h, w, C) to (B, h, w, C)."""
        x = x + self._within_windows(self.norm1(x))
        first, second = self.ffn["layers"].children()
        result: Tensor = x + second(first(self.norm2(x)))
        return result

    def _within_windows(self, x: Tensor) -> Tensor:
        """Attends within windows of (B, h, w, C), padded with zeros to whole windows and cut back."""
        height, width = x.shape[1:3]
        rows, columns = -(-height // WINDOW), -(-width // WINDOW)
        x = F.pad(x, (0, 0, 0, columns * WINDOW - width, 0, rows * WINDOW - height))
        mask = None
        if self.shift:
            x = torch.roll(x, shifts=(-self.shift, -self.shift), dims=(1, 2))
            mask = shift_mask(rows, columns).to(x)
        windows = self.attn["w_msa"](split_windows(x), mask)
        x = join_windows(windows, rows, columns)
        if self.shift:
            x = torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]


class WindowAttention(nn.Module):
    """Multi-head attention among the 49 tokens of a window, with a learned bias per relative position."""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        self.relative_position_index = nn.Parameter(relative_positions(), requires_grad=False)
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Maps windows (B * V, 49, C) to the same; `mask` (V, 49, 49) is added to the attention."""
        dims, tokens = x.shape[-1], x.shape[1]
        joint = self.qkv(x)
        query, key, value = (
            joint[..., part * dims : (part + 1) * dims].unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in range(3)
        )  # (B V, M, 49, d)
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)  # (B V, M, 49, 49)
        table = self.relative_position_bias_table[self.relative_position_index.reshape(-1)]
        logits = logits + table.reshape(tokens, tokens, self.heads).permute(2, 0, 1)
        if mask is not None:
            apart = logits.unflatten(0, (-1, mask.shape[0])) + mask[:, None]  # (B, V, M, 49, 49)
            logits = apart.flatten(0, 1)
        result: Tensor = self.proj((logits.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return result


def relative_positions() -> Tensor:
    """Returns for two tokens of a window the row of the bias table, (49, 49)."""
    place = torch.arange(WINDOW)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(place, place, indexing="ij"))
    down = rows[:, None] - rows[None, :] + WINDOW - 1
    right = columns[:, None] - columns[None, :] + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


def shift_mask(rows: int, columns: int) -> Tensor:
    """Returns what keeps apart tokens that a move of the windows brought together: (V, 49, 49), V windows."""

    def regions(windows: int) -> Tensor:
        place = torch.arange(windows * WINDOW)
        return (place >= (windows - 1) * WINDOW).int() + (place >= windows * WINDOW - SHIFT).int()

    region = 3 * regions(rows)[:, None] + regions(columns)[None, :]  # (H, W)
    own = split_windows(region[None, ..., None]).squeeze(-1)  # (V, 49)
    return torch.where(own[:, :, None] == own[:, None, :], 0.0, APART)


def split_windows(x: Tensor) -> Tensor:
    """Cuts (B, H, W, C) into windows: (B * V, 49, C)."""
    batch, height, width, dims = x.shape
    cut = x.reshape(batch * (height // WINDOW), WINDOW, width // WINDOW, WINDOW, dims)
    return cut.transpose(1, 2).reshape(-1, WINDOW * WINDOW, dims)


def join_windows(windows: Tensor, rows: int, columns: int) -> Tensor:
    """Undoes `split_windows`: (B * V, 49, C) to (B, rows * 7, columns * 7, C)."""
    dims = windows.shape[-1]
    cut = windows.reshape(-1, columns, WINDOW, WINDOW, dims).transpose(1, 2)
    return cut.reshape(-1, rows * WINDOW, columns * WINDOW, dims)
