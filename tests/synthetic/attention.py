"""A tiny camera-to-BEV cross-attention, written in the ways that are found in the field.

Shape letters: N cameras, Q queries, D anchors per query, C channels, M heads, L levels, P points, S map cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from specialize.visibility.grid import QueryGrid
from tests.synthetic.camera_rows import batched, convolved, written
from tests.synthetic.sampling import SAMPLERS, Sampler

Form = Literal[
    "zero_padded",
    "rebatched",
    "looped",
    "height_masks",
    "heights_first",
    "heights_at_once",
    "heights_rebatched",
]
MaskOn = Literal["query", "output", "both"]
MaskType = Literal["float", "bool", "int"]
Count = Literal["after", "before", "none"]

GRID = QueryGrid((4, 6), (-20.0, -20.0, -3.0, 20.0, 20.0, 1.0), 2)


@dataclass(frozen=True)
class Style:
    """How one site is written.

    Attributes:
        cameras: N.
        grid: Where the queries are.
        size_px: Width and height of the images.
        levels: Height and width of each feature map.
        form: How invisible queries are dealt with.
        mask_on: What the mask multiplies, zero-padded.
        mask_type: What it is computed as.
        count: Whether the sum over cameras is divided by their number, before or after it is summed.
        batch_first: Whether queries are (1, Q, C) or (Q, 1, C).
        wide_mask: Whether the mask is expanded to all channels.
        convolved: Whether cameras are summed by a convolution with ones, zero-padded.
        sampler: How deformable attention is written.
        dims: C.
        heads: M.
        points: P.
    """

    cameras: int = 3
    grid: QueryGrid = GRID
    size_px: tuple[int, int] = (64, 48)
    levels: tuple[tuple[int, int], ...] = ((3, 4),)
    form: Form = "zero_padded"
    mask_on: MaskOn = "both"
    mask_type: MaskType = "float"
    count: Count = "after"
    batch_first: bool = True
    wide_mask: bool = False
    convolved: bool = False
    sampler: str = "grid_sample"
    dims: int = 8
    heads: int = 2
    points: int = 4

    @property
    def cells(self) -> int:
        """Cells of all maps of one camera, S."""
        return sum(height * width for height, width in self.levels)


class Projection(nn.Module):
    """Where the anchors of each query land in each image, and which queries each camera sees."""

    points: Tensor

    def __init__(self, style: Style) -> None:
        super().__init__()
        points = style.grid.points()
        homogeneous = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
        self.register_buffer("points", torch.tensor(homogeneous, dtype=torch.float32))
        self.size_px = style.size_px

    def forward(self, lidar2img: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (1, N, 4, 4) to references (N, Q, D, 2) as fractions of the image, and hits (N, Q, D)."""
        matrix = lidar2img.reshape(-1, 1, 1, 4, 4)
        seen = torch.matmul(matrix, self.points[None, ..., None]).squeeze(-1)  # (N, Q, D, 4)
        depth = seen[..., 2:3]
        where = seen[..., 0:2] / torch.maximum(depth, torch.full_like(depth, 1e-5))
        where = where / torch.tensor(self.size_px, dtype=torch.float32)
        inside = (where > 0.0) & (where < 1.0)
        hits = (depth > 1e-5)[..., 0] & inside[..., 0] & inside[..., 1]
        return where, hits


class Site(nn.Module):
    """Spatial cross-attention of one layer in a given style."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style
        samples = style.heads * len(style.levels) * style.points
        self.offsets = nn.Linear(style.dims, samples * 2)
        self.weights = nn.Linear(style.dims, samples)
        self.value = nn.Linear(style.dims, style.dims)
        self.output = nn.Linear(style.dims, style.dims)
        self.sampler: Sampler = SAMPLERS[style.sampler]

    def forward(self, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
        """Maps queries (1, Q, C) or (Q, 1, C) to the same; maps (N, S, C), reference (N, Q, D, 2)."""
        x = query if self.style.batch_first else query.permute(1, 0, 2)
        slots = FORMS[self.style.form](self, x, maps, reference, hits)  # (1, Q, C)
        result = x + self.output(slots)
        return result if self.style.batch_first else result.permute(1, 0, 2)

    def attend(self, query: Tensor, maps: Tensor, reference: Tensor) -> Tensor:
        """Maps queries (B, K, C) with references (B, K, D, 2) into maps (B, S, C) to (B, K, C)."""
        style = self.style
        batch, rows = query.shape[0], query.shape[1]
        value = self.value(maps).view(batch, -1, style.heads, style.dims // style.heads)
        levels = len(style.levels)
        offsets = self.offsets(query).view(batch, rows, style.heads, levels, style.points, 2)
        weights = self.weights(query).view(batch, rows, style.heads, levels * style.points).softmax(-1)
        weights = weights.view(batch, rows, style.heads, levels, style.points)
        sizes = torch.tensor([[w, h] for h, w in style.levels], dtype=torch.float32)
        offsets = offsets / sizes[None, None, None, :, None, :]
        anchors = reference.shape[2]
        shape = (batch, rows, style.heads, levels, style.points // anchors, anchors, 2)
        places = reference[:, :, None, None, None, :, :] + offsets.view(shape)
        places = places.reshape(batch, rows, style.heads, levels, style.points, 2)
        return self.sampler(value, style.levels, places, weights)


def zero_padded(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """Every camera computes every query; a mask removes what it does not see."""
    style = site.style
    seen = hits.any(-1, keepdim=True)  # (N, Q, 1)
    mask = _typed(seen, style)
    rows = query.expand(style.cameras, -1, -1)
    if style.mask_on in ("query", "both"):
        rows = _masked(rows, mask)
    read = site.attend(rows, maps, reference)
    if style.mask_on in ("output", "both"):
        read = _masked(read, mask)
    elif style.mask_on == "query":
        read = _masked(read, seen.to(torch.float32))
    count = seen.to(torch.float32).sum(0).clamp(min=1.0)  # (Q, 1)
    if style.count == "before":
        read = read / count[None]
    slots = convolved(read) if style.convolved else read.sum(0, keepdim=True)
    return slots / count[None] if style.count == "after" else slots


def height_masks(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """One attention per anchor, each with the mask of that anchor alone."""
    masks = [hits[..., n : n + 1].to(torch.float32) for n in range(reference.shape[2])]  # (N, Q, 1) each
    return _by_height(site, query, maps, reference, masks)


def heights_first(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """The same with masks (D, N, Q), of which the first is chosen and the others are unbound."""
    first = hits.permute(2, 0, 1).to(torch.float32)
    masks = (first[0], *first.unbind(0)[1:])
    return _by_height(site, query, maps, reference, [mask[..., None] for mask in masks])


def _by_height(site: Site, query: Tensor, maps: Tensor, reference: Tensor, masks: Sequence[Tensor]) -> Tensor:
    total, count = torch.zeros_like(query), torch.zeros_like(query[..., :1])
    for anchor, seen in enumerate(masks):
        read = site.attend(query * seen, maps, reference[:, :, anchor : anchor + 1]) * seen
        total = total + read.sum(0, keepdim=True)
        count = count + seen.sum(0, keepdim=True)
    return total / count.clamp(min=1.0)


def heights_at_once(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """One attention for the queries of every anchor, one after the other, cut apart behind it; each anchor's mask."""
    anchors = range(reference.shape[2])
    seen = [hits[..., anchor : anchor + 1].to(torch.float32) for anchor in anchors]  # (N, Q, 1) each
    rows = torch.cat([query * mask for mask in seen], 1)  # (N, D * Q, C)
    places = torch.cat([reference[:, :, anchor : anchor + 1] for anchor in anchors], 1)
    read = site.attend(rows, maps, places).split(query.shape[1], 1)
    total, count = torch.zeros_like(query), torch.zeros_like(query[..., :1])
    for anchor in anchors:
        total = total + (read[anchor] * seen[anchor]).sum(0, keepdim=True)
        count = count + seen[anchor].sum(0, keepdim=True)
    return total / count.clamp(min=1.0)


def rebatched(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """Each camera's visible queries in front of a batch as long as the longest, written back query by query."""
    indexes = [each.sum(-1).nonzero().squeeze(-1) for each in hits]
    slots = written(query, site.attend(*batched(query, maps, reference, indexes)), indexes)
    count = hits.any(-1).to(torch.float32).sum(0).clamp(min=1.0)
    return slots / count[None, :, None]


def heights_rebatched(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """Each anchor's visible queries re-batched, all sampled at once and cut apart, as TPVFormer's planes are."""
    anchors = range(reference.shape[2])
    indexes = [[each[:, anchor].nonzero().squeeze(-1) for each in hits] for anchor in anchors]
    batches = [batched(query, maps, reference[:, :, n : n + 1], indexes[n]) for n in anchors]
    rows, places = torch.cat([each[0] for each in batches], 1), torch.cat([each[2] for each in batches], 1)
    read = site.attend(rows, maps, places).split([each[0].shape[1] for each in batches], 1)
    total = torch.zeros_like(query)
    for anchor in anchors:
        total = total + written(query, read[anchor], indexes[anchor])
    return total / hits.to(torch.float32).sum((0, 2)).clamp(min=1.0)[None, :, None]


def looped(site: Site, query: Tensor, maps: Tensor, reference: Tensor, hits: Tensor) -> Tensor:
    """One camera after the other, each with its own length."""
    slots = torch.zeros_like(query)
    for camera in range(maps.shape[0]):
        index = hits[camera].any(-1).nonzero().squeeze(-1)
        read = site.attend(query[:, index], maps[camera : camera + 1], reference[camera : camera + 1, index])
        slots[0, index] = slots[0, index] + read[0]
    count = hits.any(-1).to(torch.float32).sum(0).clamp(min=1.0)
    return slots / count[None, :, None]


FORMS = {
    "zero_padded": zero_padded,
    "height_masks": height_masks,
    "heights_first": heights_first,
    "heights_at_once": heights_at_once,
    "rebatched": rebatched,
    "heights_rebatched": heights_rebatched,
    "looped": looped,
}


def _typed(seen: Tensor, style: Style) -> Tensor:
    mask = {"float": seen.to(torch.float32), "bool": seen, "int": seen.to(torch.int64)}[style.mask_type]
    return mask.expand(-1, -1, style.dims) if style.wide_mask else mask


def _masked(rows: Tensor, mask: Tensor) -> Tensor:
    return rows.masked_fill(~mask, 0.0) if mask.dtype == torch.bool else rows * mask


class Model(nn.Module):
    """A few layers of sites on one grid: queries, maps and calibration in, queries out."""

    def __init__(self, *styles: Style, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.projection = Projection(styles[0])
        self.sites = nn.ModuleList([Site(style) for style in styles])

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps queries to queries; maps (N, S, C), lidar2img (1, N, 4, 4)."""
        reference, hits = self.projection(lidar2img)
        for site in self.sites:
            query = site(query, maps, reference, hits)
        return query

    def example(self) -> dict[str, Tensor]:
        """Returns inputs for tracing; the calibration sees some of every camera's queries."""
        style = self.sites[0].style
        shape = (1, style.grid.queries, style.dims)
        query = torch.randn(shape if style.batch_first else (shape[1], 1, style.dims))
        maps = torch.randn(style.cameras, style.cells, style.dims)
        return {"query": query, "maps": maps, "lidar2img": torch.tensor(calibration(style))}


def calibration(style: Style, turn_rad: float = 0.0) -> np.ndarray:
    """Return (1, N, 4, 4) float32 of a ring of level cameras that overlap."""
    from tests.strategies import ring

    width, height = style.size_px
    rig = ring(style.cameras, width, height)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]]
    return (rig.image_from_lidar @ turn)[None].astype(np.float32)
