"""What else is found in the field: tables from outside, several sites of different sizes, pooling of frustums."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.visibility.plan import VisibilityPlan
from tests.synthetic.attention import Model, Projection, Site, Style


class Tables(nn.Module):
    """Index tables, references and inverse counts are inputs: gathered, attended, gathered back and summed."""

    def __init__(self, style: Style, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.site = Site(style)

    def forward(
        self, query: Tensor, maps: Tensor, ids: Tensor, places: Tensor, back: Tensor, inverse: Tensor
    ) -> Tensor:
        """Maps queries (1, Q, C); maps (N, S, C), ids (N, K), places (N, K, D, 2), back (Q, O), inverse (Q, 1)."""
        rows = query[0][ids]  # (N, K, C)
        read = self.site.attend(rows, maps, places).flatten(0, 1)  # (N * K, C)
        read = torch.cat([read, torch.zeros_like(read[:1])])
        return query + self.site.output(read[back].sum(1) * inverse)[None]


class NearestTables(nn.Module):
    """The same with images of queries: a nearest GridSample gathers, another one brings back.

    Args:
        style: How it attends.
        convolved: Whether cameras are summed by a convolution with ones.
        seed: Of the weights.
    """

    def __init__(self, style: Style, *, convolved: bool = False, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.site, self.convolved = Site(style), convolved

    def forward(
        self, query: Tensor, maps: Tensor, rebatch: Tensor, places: Tensor, restore: Tensor, inverse: Tensor
    ) -> Tensor:
        """Maps queries (1, Q, C); rebatch (N, v, w, 2), places (N, v * w, D, 2), restore (1, O * H, W, 2)."""
        style = self.site.style
        cameras, (height, width) = style.cameras, style.grid.shape[-2:]
        image = query.permute(0, 2, 1).reshape(1, style.dims, height, width).expand(cameras, -1, -1, -1)
        rows = F.grid_sample(image, rebatch, mode="nearest", padding_mode="zeros", align_corners=True)
        tall, wide = rows.shape[2:]
        read = self.site.attend(rows.flatten(2).permute(0, 2, 1), maps, places)  # (N, v * w, C)
        stacked = read.permute(2, 0, 1).reshape(1, style.dims, cameras * tall, wide)
        slots = F.grid_sample(stacked, restore, mode="nearest", padding_mode="zeros", align_corners=True)
        apart = slots.reshape(1, style.dims, -1, height, width)  # (1, C, O, H, W)
        if self.convolved:
            ones = torch.ones(style.dims, apart.shape[2], 1, 1)
            summed = F.conv2d(apart.flatten(1, 2), ones, groups=style.dims)
        else:
            summed = apart.sum(2)
        total = summed.flatten(2).permute(0, 2, 1)  # (1, Q, C)
        return query + self.site.output(total * inverse)


def gather_tables(plan: VisibilityPlan) -> dict[str, np.ndarray]:
    """Return the tables of a plan: query ids, references, places to read back (the last place is zero), 1 / count."""
    ids, lengths = plan.padded_ids(1), plan.lengths
    cameras, longest = ids.shape
    overlap = max(1, int(plan.seen.sum(0).max()))
    back = np.full((plan.seen.shape[1], overlap), cameras * longest, dtype=np.int64)
    filled = np.zeros(len(back), dtype=np.int64)
    for camera in range(cameras):
        for slot in range(lengths[camera]):
            query = ids[camera, slot]
            back[query, filled[query]] = camera * longest + slot
            filled[query] += 1
    references = plan.reference_points()[np.arange(cameras)[:, None], ids]
    return {
        "ids": ids.astype(np.int64),
        "places": references.astype(np.float32),
        "back": back,
        "inverse": (1.0 / np.maximum(filled, 1))[:, None].astype(np.float32),
    }


def nearest_tables(plan: VisibilityPlan, wide: int = 3) -> dict[str, np.ndarray]:
    """Return the same tables as grids of places, in rows of `wide`; unused places are far outside."""
    tables = gather_tables(plan)
    cameras, longest = tables["ids"].shape
    height, width = plan.grid.shape[-2:]
    tall = -(-longest // wide)
    rebatch = np.full((cameras, tall * wide, 2), -1.5)
    places = np.zeros((cameras, tall * wide, *tables["places"].shape[2:]))
    for camera, length in enumerate(plan.lengths):
        ids = tables["ids"][camera, :length]
        rebatch[camera, :length] = _grid(ids, height, width)
        places[camera, :length] = tables["places"][camera, :length]
    slot = tables["back"]
    moved = slot // longest * (tall * wide) + slot % longest
    restore = np.where((slot < cameras * longest)[..., None], _grid(moved, cameras * tall, wide), -1.5)
    return {
        "rebatch": rebatch.reshape(cameras, tall, wide, 2).astype(np.float32),
        "places": places.astype(np.float32),
        "restore": restore.transpose(1, 0, 2).reshape(1, -1, width, 2).astype(np.float32),
        "inverse": tables["inverse"],
    }


def _grid(ids: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return x and y of pixels, -1 to 1 from the first to the last one."""
    return np.stack([ids % width / (width - 1), ids // width / (height - 1)], axis=-1) * 2 - 1


class Several(nn.Module):
    """Models of different grids, widths, levels and numbers of cameras side by side, and one after the other."""

    def __init__(self, styles: list[Style]) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Model(style, seed=index) for index, style in enumerate(styles)])

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps (query, maps, lidar2img) of each part to its queries."""
        return tuple(part(*inputs[3 * i : 3 * i + 3]) for i, part in enumerate(self.parts))

    def example(self) -> dict[str, Tensor]:
        """Returns inputs for tracing, numbered by part."""
        return {
            f"{name}{i}": value for i, part in enumerate(self.parts) for name, value in part.example().items()
        }


class Lift(nn.Module):
    """Lift, splat: depth times context of every frustum point, those inside the grid summed per cell."""

    def __init__(self, style: Style, how: str, bins: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.bins, self.style = how, bins, style
        ((self.height, self.width),) = style.levels
        self.depth, self.context = nn.Conv2d(4, bins, 1), nn.Conv2d(4, style.dims, 1)
        self.mix = nn.Linear(style.dims, style.dims)

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) from image to lidar frame to cells (H * W, C)."""
        cells = self.cells(img2lidar).flatten()  # (N * bins * h * w,)
        depth = self.depth(maps).softmax(1)  # (N, bins, h, w)
        volume = depth[:, :, None] * self.context(maps)[:, None]  # (N, bins, C, h, w)
        rows = self.mix(volume.permute(0, 1, 3, 4, 2).flatten(0, 3))  # (N * bins * h * w, C)
        count = self.style.grid.queries
        kept = cells < count
        if self.how == "index_add":
            return rows.new_zeros(count, rows.shape[1]).index_add(0, cells[kept], rows[kept])
        if self.how == "scatter_add":
            index = cells[:, None].expand(-1, rows.shape[1])
            return rows.new_zeros(count + 1, rows.shape[1]).scatter_add(0, index, rows)[:count]
        masked = rows * kept[:, None]
        index = torch.where(kept, cells, torch.zeros_like(cells))
        return rows.new_zeros(count, rows.shape[1]).index_put((index,), masked, accumulate=True)

    def cells(self, img2lidar: Tensor) -> Tensor:
        """Returns the cell of every frustum point (N, bins, h, w); H * W if it is outside the grid."""
        (rows, columns), (x0, y0, _, x1, y1, _) = self.style.grid.shape, self.style.grid.range_m
        depth = torch.linspace(4.0, 24.0, self.bins)[:, None, None].expand(-1, self.height, self.width)
        v, u = torch.meshgrid(torch.arange(self.height), torch.arange(self.width), indexing="ij")
        size = self.style.size_px
        u = (u + 0.5) * (size[0] / self.width) * depth
        v = (v + 0.5) * (size[1] / self.height) * depth
        points = torch.stack([u, v, depth, torch.ones_like(depth)], dim=-1)
        lidar = torch.matmul(img2lidar.reshape(-1, 1, 1, 1, 4, 4), points[None, ..., None]).squeeze(-1)
        column = torch.floor((lidar[..., 0] - x0) / (x1 - x0) * columns)
        row = torch.floor((lidar[..., 1] - y0) / (y1 - y0) * rows)
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        cell = torch.where(inside, row * columns + column, torch.full_like(row, float(rows * columns)))
        return cell.to(torch.int64)


__all__ = ["Lift", "NearestTables", "Projection", "Several", "Tables", "gather_tables", "nearest_tables"]
