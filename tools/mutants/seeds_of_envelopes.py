"""Seeds of envelopes: over two vehicles, with masks whose axes stand in another order, and of a long vehicle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from specialize.visibility.grid import QueryGrid
from tests.synthetic.attention import Model, Projection, Site, Style
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tools.mutants.seed_files import write_seed

OVER = replace(BASE, grid=QueryGrid((8, 10), BASE.grid.range_m, 2))
NEAR = "rotation=2deg,translation=40cm,focal=1%,principal_point=0.5px"
TURNS = "rotation=0.2deg,translation=1cm,yaw_rate=40deg/s,skew=60ms"
TRUCK = Style(
    cameras=3,
    grid=QueryGrid((30, 36), (-12.0, -10.0, -2.0, 12.0, 10.0, 1.0), 2),
    size_px=(400, 240),
    levels=((5, 9),),
)
LIDAR_AHEAD_M = 6.0


class QueriesFirst(nn.Module):
    """A site whose masks are computed queries first; one of them counts the first anchor twice."""

    points: Tensor

    def __init__(self, style: Style) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.site, self.style = Site(style), style
        self.register_buffer("points", Projection(style).points)  # (Q, D, 4)

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps queries (1, Q, C) to the same; maps (N, S, C), lidar2img (1, N, 4, 4)."""
        matrix = lidar2img.reshape(1, -1, 1, 4, 4)
        seen = torch.matmul(matrix, self.points[:, None, :, :, None]).squeeze(-1)  # (Q, N, D, 4)
        depth = seen[..., 2:3]
        where = seen[..., 0:2] / torch.maximum(depth, torch.full_like(depth, 1e-5))
        where = where / torch.tensor(self.style.size_px, dtype=torch.float32)
        inside = (where > 0.0) & (where < 1.0)
        hits = (depth > 1e-5)[..., 0] & inside[..., 0] & inside[..., 1]  # (Q, N, D)
        any_ = hits.any(-1)  # (Q, N)
        weight = any_.to(torch.float32) + hits[..., 0].to(torch.float32)
        rows = query.expand(self.style.cameras, -1, -1).masked_fill(~any_.transpose(0, 1)[..., None], 0.0)
        read = self.site.attend(rows, maps, where.permute(1, 0, 2, 3)) * weight.transpose(0, 1)[..., None]
        count = any_.to(torch.float32).sum(1).clamp(min=1.0)
        return query + self.site.output(read.sum(0, keepdim=True) / count[None, :, None])


def write_envelope_over(home: Path) -> None:
    """Write a seed whose envelope covers two further vehicles; pairs outside are counted."""
    more = [vehicle(OVER, TURN_RAD + turn, "other") for turn in (0.12, -0.2)]
    model = export(QueriesFirst(OVER), Model(OVER).example())
    options = {"mode": "envelope", "tolerance": NEAR, "count_outside": True}
    rig = vehicle(OVER, TURN_RAD, "vehicle")
    write_seed(home, model, spec_of(OVER).to_text(), rig, ("modes", "passes"), more, **options)


def write_envelope_truck(home: Path) -> None:
    """Write a seed whose lidar stands far ahead of the point that the vehicle turns about."""
    model = Model(TRUCK)
    rig = vehicle(TRUCK, TURN_RAD, "vehicle")
    ahead = np.eye(4)
    ahead[0, 3] = LIDAR_AHEAD_M
    truck = replace(rig, ego_from_lidar=ahead)
    options = {"mode": "envelope", "tolerance": TURNS}
    exported = export(model, model.example())
    write_seed(home, exported, spec_of(TRUCK).to_text(), truck, ("visibility", "modes"), **options)


__all__ = ["write_envelope_over", "write_envelope_truck"]
