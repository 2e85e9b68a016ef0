"""A seed of heights that are re-batched, sampled at once and cut apart, and of pixels gathered at known places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from specialize.visibility.grid import QueryGrid
from tests.synthetic.attention import Model
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tools.mutants.seed_files import write_seed

STYLE = replace(BASE, form="heights_rebatched", grid=QueryGrid((6, 8), BASE.grid.range_m, 3))


class Planes(Model):
    """Heights sampled at once, and the pixel of every anchor weighed by the queries and summed under their masks."""

    def __init__(self) -> None:
        super().__init__(STYLE)
        self.shares = nn.Linear(STYLE.dims, STYLE.grid.anchors)

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor) -> tuple[Tensor, Tensor]:
        """Maps queries (1, Q, C), maps (N, S, C) and (1, N, 4, 4) to two tensors like the queries."""
        reference, hits = self.projection(lidar2img)
        ((height, width),) = STYLE.levels
        cells = torch.tensor([width, height], dtype=torch.float32)
        place = (reference * cells).long().clamp(min=0)
        place = torch.minimum(place, torch.tensor([width - 1, height - 1]))
        index = (place[..., 1] * width + place[..., 0]).flatten(1)[:, None]  # (N, 1, Q * D)
        read = torch.gather(maps.transpose(1, 2), 2, index.expand(-1, STYLE.dims, -1))
        shown = read.view(*read.shape[:2], STYLE.grid.queries, STYLE.grid.anchors)
        seen = hits.any(-1).to(torch.float32)[..., None]  # (N, Q, 1)
        shares = self.shares(query).softmax(-1)[:, None]  # (1, 1, Q, D)
        known = ((shown * shares).sum(-1).transpose(1, 2) * seen).sum(0, keepdim=True)
        return super().forward(query, maps, lidar2img), known


def write_planes(home: Path) -> None:
    """Write the seed."""
    model = Planes()
    exported = export(model, model.example(), outputs=("planes", "known"))
    sidecar = spec_of(STYLE).to_text()
    write_seed(home, exported, sidecar, vehicle(STYLE, TURN_RAD, "vehicle"), ("passes", "rows"))
