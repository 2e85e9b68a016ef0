"""Seeds whose voxels look up pixels: written by indices, blended by masks, added up, with spare places and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from specialize.visibility.grid import QueryGrid
from tests.synthetic.attention import Style
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import vehicle
from tests.synthetic.volumes import Volume
from tools.mutants.seed_files import write_seed

STYLE = replace(BASE, cameras=4, levels=((6, 8),), grid=QueryGrid((3, 8, 7), BASE.grid.range_m, 1))

SEEN = replace(STYLE, grid=QueryGrid((3, 8, 7), (0.0, 4.0, -1.0, 3.0, 12.0, 1.0), 1))
"""In front of the first camera, which sees it whole."""


class Volumes(nn.Module):
    """Volumes in several spellings side by side, one of them of features that two tensors hold."""

    def __init__(self) -> None:
        super().__init__()
        self.volumes = nn.ModuleList(Volume(STYLE, spelling) for spelling in ("booleans", "blends", "sum"))
        self.apart, self.turn = Volume(STYLE, "choices"), nn.Conv2d(4, STYLE.dims, 1)

    def forward(self, maps: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to voxels (1, C', V)."""
        made = [volume(maps, lidar2img) for volume in self.volumes]
        seen, pixel = self.apart.pixels(lidar2img[0], maps.shape[-1], maps.shape[-2])
        first, second = self.turn(maps).flatten(2), torch.relu(self.apart.before(maps)).flatten(2)
        volume = first.new_zeros(first.shape[1], seen.shape[1])
        for camera in range(len(maps)):
            features = (first if camera % 2 else second)[camera]
            volume = torch.where(seen[camera], features[:, pixel[camera]], volume)
        backwards = torch.zeros_like(volume)
        shown = seen[0].nonzero().squeeze(1)
        channels = torch.arange(volume.shape[0] - 1, -1, -1)
        backwards[channels[:, None], shown] = first[0][:, pixel[0][shown]]
        return torch.cat([*made, volume[None], backwards[None]], 1)


def write_volumes(home: Path) -> None:
    """Write the seed."""
    _write(home, Volumes(), STYLE)


def write_volumes_seen(home: Path) -> None:
    """Write a seed in which every voxel sees a pixel, so that nothing is written back."""
    _write(home, Volume(SEEN, "booleans"), SEEN)


def _write(home: Path, module: nn.Module, style: Style) -> None:
    rig = vehicle(style, TURN_RAD, "vehicle")
    matrix = rig.image_from_lidar()[None].astype("float32")
    ((height, width),) = style.levels
    maps = torch.randn(style.cameras, 4, height, width)
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(style.size_px)},
        "calibration_inputs": {"lidar2img": "lidar2img"},
    }
    model = export(module, {"maps": maps, "lidar2img": torch.tensor(matrix)})
    write_seed(home, model, yaml.safe_dump(data), rig, ("passes", "rows"))
