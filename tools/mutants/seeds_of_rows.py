"""Seeds whose rows are cut, joined, moved, padded, subtracted and added before they are summed, and one with weights.

Three more outputs sum rows that no mask makes zero: functions with f(0) above zero, and what a condition chooses.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from specialize.visibility.grid import QueryGrid
from specialize.visibility.plan import plan_visibility
from tests.synthetic.attention import Model, Style
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift, NearestTables, nearest_tables
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tools.mutants.seed_files import write_seed

FEW = 5
"""Queries that change places with the others."""


class Worked(Model):
    """An attention whose rows are worked on in many ways."""

    def __init__(self, style: Style) -> None:
        super().__init__(style)
        queries, dims = style.grid.queries, style.dims
        weights = torch.randn(queries, dims)
        weights[::3, 1] = 0.0
        self.register_buffer("weights", weights)
        self.register_buffer("first", torch.randperm(queries))
        self.register_buffer("second", torch.randperm(queries))

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor) -> tuple[Tensor, ...]:
        """Maps queries (1, Q, C), maps (N, S, C) and (1, N, 4, 4) to queries, and to further sums over cameras."""
        reference, hits = self.projection(lidar2img)
        seen = hits.any(-1, keepdim=True).to(torch.float32)  # (N, Q, 1)
        site = self.sites[0]
        own, other = (query * seen).chunk(2, -1)
        read = site.attend(torch.cat([other - 0.5 * own, own], -1), maps, reference)
        few = site.output(0.5 - (self._moved(read - read.mean(-1, keepdim=True), seen) + 1.0) * 2.0)
        kept = self._moved(torch.ones_like(seen), seen)
        tilt = torch.tanh(lidar2img[0, 0] / 100.0)  # (4, 4)
        mean = F.pad(few * kept * self.weights, (0, 0, 3, 0)).mean(0, keepdim=True)[:, 3:]
        made = (query + mean).clone()
        made[:, 2:6] = 2.0 * query[:, 4:8]
        made = torch.cat([made[..., :4] @ tilt, made[..., 4:]], -1)
        masked = read * seen
        gates = torch.sigmoid(masked).sum(0)
        shares = (masked.softmax(-1) * query).sum(0)
        chosen = torch.where(seen > 0, read, 0.1 * query).sum(0)
        biased = (site.value(masked) + query).sum(0)
        return made, torch.stack([gates, shares, chosen, biased])

    def _moved(self, rows: Tensor, seen: Tensor) -> Tensor:
        """Return rows (N, Q, C) that are seen in another order of queries, twice each."""
        few, many = torch.split(rows * seen, [FEW, rows.shape[1] - FEW], 1)
        joined = torch.cat([many, few], 1)
        return (joined + joined).index_select(1, self.first).index_select(1, self.second)


class Twice(Lift):
    """Points summed to cells of their camera by a matrix of numbers, worked on, and summed over cameras."""

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        count, cameras = self.style.grid.queries, self.style.cameras
        cells = self.cells(img2lidar).flatten(1)  # (N, P)
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        rows = (depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2).flatten(0, 3)  # (N * P, C)
        numbers = torch.arange(cameras)[:, None] * count + cells
        owner = torch.where(cells < count, numbers, torch.full_like(cells, -1)).flatten()
        every = (owner[None] == torch.arange(cameras * count)[:, None]).to(rows.dtype)
        angles = torch.arange(owner.shape[0], dtype=torch.float32)
        first, second = (every * torch.cos(angles * turn) @ rows for turn in (1.7, 0.9))
        hit = every.sum(1, keepdim=True).clamp(max=1.0)
        worked = torch.tanh(self.mix(first + second)) * hit
        return worked.reshape(cameras, count, -1).sum(0)


def write_worked(home: Path) -> None:
    """Write the seed of rows that are worked on."""
    model, areas = Worked(BASE), ("rows", "passes", "graph")
    exported = export(model, model.example(), outputs=("out", "sums"))
    write_seed(home, exported, spec_of(BASE).to_text(), vehicle(BASE, TURN_RAD, "vehicle"), areas)


def write_twice(home: Path) -> None:
    """Write the seed of points that are summed twice."""
    style = Style(cameras=3, grid=QueryGrid((8, 9), BASE.grid.range_m, 1), levels=((5, 6),))
    rig = vehicle(style, TURN_RAD, "vehicle")
    inputs = {
        "maps": torch.randn(style.cameras, 4, 5, 6),
        "img2lidar": torch.tensor(np.linalg.inv(rig.image_from_lidar())[None].astype(np.float32)),
    }
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(style.size_px)},
        "calibration_inputs": {"img2lidar": "img2lidar"},
    }
    write_seed(home, export(Twice(style, ""), inputs), yaml.safe_dump(data), rig, ("rows",))


def write_nearest(home: Path) -> None:
    """Write a seed whose rows are gathered and brought back by the nearest pixel; tables are constants."""
    style, rig = BASE, vehicle(BASE, TURN_RAD, "vehicle")
    plan = plan_visibility(rig.image_from_lidar(), np.array([style.size_px] * style.cameras), style.grid)
    tables = nearest_tables(plan)
    example = Model(style).example()
    inputs = {"query": example["query"], "maps": example["maps"]}
    inputs |= {name: torch.tensor(array) for name, array in tables.items()}
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(style.size_px)},
        "calibration_inputs": {},
        "other_inputs": {name: array.tolist() for name, array in tables.items()},
    }
    text = yaml.safe_dump(data, sort_keys=False)
    model = export(NearestTables(style), inputs)
    write_seed(home, model, text, rig, ("rows",), allow=["constant-calibration"])


SEEDS_OF_ROWS = {"worked": write_worked, "twice": write_twice, "nearest": write_nearest}
"""Every seed by its name."""
