"""Deformable attention in the spellings that are found in exported models."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Levels = tuple[tuple[int, int], ...]
Sampler = Callable[[Tensor, Levels, Tensor, Tensor], Tensor]
"""Maps value (B, S, M, d), levels, locations (B, K, M, L, P, 2), weights (B, K, M, L, P) to (B, K, M * d)."""


def grid_sample(value: Tensor, levels: Levels, places: Tensor, weights: Tensor) -> Tensor:
    """One GridSample per level, all samples stacked, then weighed and summed: what PyTorch users write."""
    read = [
        F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        for image, grid in _levels(value, levels, places)
    ]
    return _weighed(read, weights, value)


def decomposed(value: Tensor, levels: Levels, places: Tensor, weights: Tensor) -> Tensor:
    """The same without GridSample, for opsets below 16: four gathers from each map."""
    read = [_bilinear(image, grid) for image, grid in _levels(value, levels, places)]
    return _weighed(read, weights, value)


def _levels(value: Tensor, levels: Levels, places: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return image (B * M, d, h, w) and grid (B * M, K, P, 2) of every level."""
    batch, _, heads, depth = value.shape
    parts = value.split([h * w for h, w in levels], dim=1)
    grids = 2 * places - 1
    found = []
    for level, (height, width) in enumerate(levels):
        image = parts[level].flatten(2).transpose(1, 2).reshape(batch * heads, depth, height, width)
        found.append((image, grids[:, :, :, level].transpose(1, 2).flatten(0, 1)))
    return found


def _weighed(read: list[Tensor], weights: Tensor, value: Tensor) -> Tensor:
    batch, rows, heads = weights.shape[:3]
    depth = value.shape[-1]
    flat = weights.transpose(1, 2).reshape(batch * heads, 1, rows, -1)
    summed = (torch.stack(read, dim=-2).flatten(-2) * flat).sum(-1)  # (B * M, d, K)
    return summed.view(batch, heads * depth, rows).transpose(1, 2).contiguous()


def _bilinear(image: Tensor, grid: Tensor) -> Tensor:
    """Sample with zeros outside; image (n, c, h, w), grid (n, a, b, 2), result (n, c, a, b)."""
    n, c, h, w = image.shape
    x = ((grid[..., 0] + 1) * w - 1) / 2
    y = ((grid[..., 1] + 1) * h - 1) / 2
    left, top = torch.floor(x), torch.floor(y)
    flat = image.reshape(n, c, h * w)
    total = torch.zeros(n, c, *grid.shape[1:3])
    for down in (0, 1):
        for right in (0, 1):
            column, row = left + right, top + down
            share = (1 - (x - column).abs()) * (1 - (y - row).abs())
            inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
            place = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).long()
            index = place.reshape(n, 1, -1).expand(-1, c, -1)
            part = torch.gather(flat, 2, index).reshape(n, c, *grid.shape[1:3])
            total = total + part * (share * inside)[:, None]
    return total


class _Custom(torch.autograd.Function):
    """Exported as an operator of its own; computed by `grid_sample`, because that is what it stands for."""

    @staticmethod
    def forward(
        ctx: object, value: Tensor, shapes: Tensor, starts: Tensor, places: Tensor, weights: Tensor, name: str
    ) -> Tensor:
        levels = tuple((int(h), int(w)) for h, w in shapes)
        return grid_sample(value, levels, places, weights)

    @staticmethod
    def symbolic(
        g: object, value: object, shapes: object, starts: object, places: object, weights: object, name: str
    ) -> object:
        inputs = (
            [value, shapes, places, weights]
            if name in FOUR_INPUTS
            else [value, shapes, starts, places, weights]
        )
        attributes = {}
        if name.startswith("DL::"):
            batch, width, depth = (_size(g, value, axis) for axis in (0, 2, 3))
            inputs += [batch, _size(g, places, 1), g.op("Mul", width, depth)]  # type: ignore[attr-defined]
            attributes["im2col_step_i"] = 64
        return g.op(name, *inputs, **attributes)  # type: ignore[attr-defined]


class _InPixels(torch.autograd.Function):
    """As `_Custom`, for operators that add offsets in pixels to reference points and compute the softmax themselves."""

    @staticmethod
    def forward(
        ctx: object,
        value: Tensor,
        shapes: Tensor,
        reference: Tensor,
        offsets: Tensor,
        logits: Tensor,
        name: str,
    ) -> Tensor:
        levels = tuple((int(h), int(w)) for h, w in shapes)
        batch, rows, heads = offsets.shape[:3]
        size = torch.tensor([(w, h) for h, w in levels], dtype=offsets.dtype)[:, None]
        moved = offsets.view(batch, rows, heads, len(levels), -1, 2) / size
        anchors = reference.shape[2]
        points = moved.shape[4]
        places = moved + reference[:, :, torch.arange(points) % anchors][:, :, None, None]
        weights = logits.softmax(-1).view(batch, rows, heads, len(levels), points)
        return grid_sample(value, levels, places, weights).view(batch, rows, heads, -1)

    @staticmethod
    def symbolic(
        g: object,
        value: object,
        shapes: object,
        reference: object,
        offsets: object,
        logits: object,
        name: str,
    ) -> object:
        return g.op(name, value, shapes, reference, offsets, logits)  # type: ignore[attr-defined]


def _in_pixels(name: str, anchors: int) -> Sampler:
    def sample(value: Tensor, levels: Levels, places: Tensor, weights: Tensor) -> Tensor:
        shapes = torch.tensor(levels, dtype=torch.int32)
        batch, rows, heads = places.shape[:3]
        reference = places[:, :, 0, 0, :anchors]
        size = torch.tensor([(w, h) for h, w in levels], dtype=places.dtype)[:, None]
        turns = torch.arange(places.shape[4]) % anchors
        offsets = (places - reference[:, :, turns][:, :, None, None]) * size
        flat = offsets.reshape(batch, rows, heads, -1), weights.log().reshape(batch, rows, heads, -1)
        made = _InPixels.apply(value, shapes, reference, *flat, name)  # type: ignore[no-untyped-call]
        return made.reshape(batch, rows, -1)  # type: ignore[no-any-return]

    return sample


IN_PIXELS = {
    "trt.plugins::MultiScaleDeformableAttnTRT": 1,
    "trt.plugins::MultiScaleDeformableAttnTRT2": 2,
}
"""Operator -> reference points of a query here; its exporters write one per point above the ground, 1 or 4."""
FOUR_INPUTS = frozenset({"com.microsoft::MultiScaleDeformableAttn"})
CUSTOM = (
    "com.microsoft::MultiScaleDeformableAttn",
    "DL::MultiScaleDeformableAttnFunction",
    "trt::MultiscaleDeformableAttnPlugin_TRT",
    "custom_op::MultiScaleDeformableAttentionPlugin",
    "mmdeploy::MMCVMultiScaleDeformableAttention",
    "npu::MultiScaleDeformableAttn",
)


def _size(g: object, value: object, axis: int) -> object:
    shape = g.op("Shape", value)  # type: ignore[attr-defined]
    return g.op("Gather", shape, g.op("Constant", value_t=torch.tensor(axis)), axis_i=0)  # type: ignore[attr-defined]


def _custom(name: str) -> Sampler:
    def sample(value: Tensor, levels: Levels, places: Tensor, weights: Tensor) -> Tensor:
        shapes = torch.tensor(levels, dtype=torch.int64)
        areas = [0, *(h * w for h, w in levels)]
        starts = torch.tensor([sum(areas[: i + 1]) for i in range(len(levels))], dtype=torch.int64)
        return _Custom.apply(value, shapes, starts, places, weights, name)  # type: ignore[no-any-return, no-untyped-call]

    return sample


SAMPLERS: dict[str, Sampler] = {
    "grid_sample": grid_sample,
    "decomposed": decomposed,
    **{name: _custom(name) for name in CUSTOM},
    **{name: _in_pixels(name, anchors) for name, anchors in IN_PIXELS.items()},
}
