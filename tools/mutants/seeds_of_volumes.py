"""A seed whose voxels look up pixels: written by indices, blended by masks, added up, and with spare places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from specialize.visibility.grid import QueryGrid
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import vehicle
from tests.synthetic.volumes import Volume
from tools.mutants.seed_files import write_seed

STYLE = replace(BASE, cameras=4, levels=((6, 8),), grid=QueryGrid((3, 8, 7), BASE.grid.range_m, 1))


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
    rig = vehicle(STYLE, TURN_RAD, "vehicle")
    matrix = rig.image_from_lidar()[None].astype("float32")
    ((height, width),) = STYLE.levels
    maps = torch.randn(STYLE.cameras, 4, height, width)
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(STYLE.size_px)},
        "calibration_inputs": {"lidar2img": "lidar2img"},
    }
    model = export(Volumes(), {"maps": maps, "lidar2img": torch.tensor(matrix)})
    write_seed(home, model, yaml.safe_dump(data), rig, ("passes", "rows"))
