"""Look-up volumes: every voxel takes the pixel that it projects to, in every way that is used for that."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from tests.synthetic.attention import Style

Spelling = Literal["booleans", "choices", "blends", "sum", "masked sum"]
SPELLINGS: tuple[Spelling, ...] = ("booleans", "choices", "blends", "sum", "masked sum")


class Volume(nn.Module):
    """Features of every camera at the pixel of every voxel; voxels that no camera sees are zero.

    Args:
        style: Cameras, grid and channels; one level.
        spelling: `booleans` writes to a boolean index, `choices` uses `torch.where` and `blends` products with a mask
            and its complement: the last camera that sees a voxel counts. `sum` writes every camera to a volume of
            its own, `masked sum` gathers for all voxels; both add the cameras and divide by their number.
    """

    points: Tensor

    def __init__(self, style: Style, spelling: Spelling) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.style, self.spelling = style, spelling
        self.before, self.after = nn.Conv2d(4, style.dims, 1), nn.Conv1d(style.dims, 5, 1)
        self.register_buffer("points", torch.tensor(style.grid.points().reshape(-1, 3), dtype=torch.float32))

    def forward(self, maps: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and matrices (1, N, 4, 4) to voxels (1, 5, V)."""
        features = self.before(maps).flatten(2)  # (N, C, h * w)
        seen, pixel = self.pixels(lidar2img[0], maps.shape[-1], maps.shape[-2])
        if self.spelling in ("sum", "masked sum"):
            volume = self._mean(features, seen, pixel)
        else:
            volume = features.new_zeros(features.shape[1], seen.shape[1])
            for camera in range(len(features)):
                volume = self._written(volume, features[camera], seen[camera], pixel[camera])
        return self.after(volume[None])

    def pixels(self, lidar2img: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
        """Return which camera sees which voxel, and at which pixel, both (N, V)."""
        points = torch.cat([self.points, torch.ones_like(self.points[:, :1])], 1)
        found = lidar2img @ points.T  # (N, 4, V)
        size = torch.tensor(self.style.size_px, dtype=torch.float32)
        x = (found[:, 0] / found[:, 2] / size[0] * width).floor().long()
        y = (found[:, 1] / found[:, 2] / size[1] * height).floor().long()
        seen = (found[:, 2] > 1e-5) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        return seen, torch.where(seen, y * width + x, torch.zeros_like(x))

    def _written(self, volume: Tensor, features: Tensor, seen: Tensor, pixel: Tensor) -> Tensor:
        """Return a volume (C, V) in which one camera has overwritten what it sees."""
        if self.spelling == "booleans":
            volume = volume.clone()
            volume[:, seen] = features[:, pixel[seen]]
            return volume
        picked = features[:, pixel]
        if self.spelling == "choices":
            return torch.where(seen[None], picked, volume)
        mask = seen.to(features.dtype)[None]
        return volume * (1 - mask) + picked * mask

    def _mean(self, features: Tensor, seen: Tensor, pixel: Tensor) -> Tensor:
        """Return the mean over the cameras that see a voxel, (C, V)."""
        if self.spelling == "sum":
            volumes = features.new_zeros(*features.shape[:2], seen.shape[1])
            for camera in range(len(features)):
                volumes[camera, :, seen[camera]] = features[camera][:, pixel[camera][seen[camera]]]
        else:
            places = pixel[:, None].expand(-1, features.shape[1], -1)
            volumes = features.gather(2, places) * seen[:, None]
        return volumes.sum(0) / seen.sum(0).clamp(min=1)
