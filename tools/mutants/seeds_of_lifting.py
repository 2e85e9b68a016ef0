"""Seeds that lift image points and pool them: by columns of pixels, sorted, by a matrix, and in tables for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from specialize.calibration.profile import CalibrationProfile
from specialize.visibility.grid import QueryGrid
from specialize.visibility.pyramid import Deviation
from tests.synthetic.attention import Style
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift
from tests.synthetic.pooling import Sorted
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import others, vehicle
from tools.mutants.seed_files import write_seed
from tools.mutants.seeds_of_tables import together

NEAR = Deviation(rotation_rad=0.02, translation_m=0.1, focal_ratio=0.02, principal_point_px=1.0)
COARSE = replace(BASE, grid=QueryGrid((4, 5), BASE.grid.range_m, 1), levels=((8, 6),))
FINE = replace(BASE, grid=QueryGrid((16, 18), BASE.grid.range_m, 1), levels=((5, 6),))


class Columns(Lift):
    """Depth weights times features of pixels, farther points with smaller constant factors."""

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        cells, count = self.cells(img2lidar).flatten(), self.style.grid.queries
        factor = torch.linspace(1.0, 0.25, self.bins)[:, None, None, None].expand(
            -1, self.height, self.width, 1
        )
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        volume = (depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2) * factor  # (N, bins, h, w, C)
        rows = volume.flatten(0, 3)
        index = cells[:, None].expand(-1, rows.shape[1])
        return rows.new_zeros(count + 1, rows.shape[1]).scatter_add(0, index, rows)[:count]


class Weighted(Lift):
    """A product with a matrix of cells by points, whose entries are numbers of both signs."""

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        cells, count = self.cells(img2lidar).flatten(), self.style.grid.queries
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        rows = self.mix((depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2).flatten(0, 3))
        weight = torch.cos(torch.arange(cells.shape[0]) * 1.7)
        return ((cells[None] == torch.arange(count)[:, None]).to(rows.dtype) * weight) @ rows


def _written(
    model: Callable[[], nn.Module],
    style: Style,
    areas: tuple[str, ...],
    beyond: Callable[[CalibrationProfile], Sequence[CalibrationProfile]] = lambda rig: (),
    **options: Any,
) -> Callable[[Path], None]:
    """Return what writes a seed that lifts."""

    def write(home: Path) -> None:
        rig = vehicle(style, TURN_RAD, "vehicle")
        ((height, width),) = style.levels
        inputs = {
            "maps": torch.randn(style.cameras, 4, height, width),
            "img2lidar": torch.tensor(np.linalg.inv(rig.image_from_lidar())[None].astype(np.float32)),
        }
        data = {
            "schema": "specialize/model@1",
            "image": {"size_px": list(style.size_px)},
            "calibration_inputs": {"img2lidar": "img2lidar"},
        }
        tables = options.get("mode") == "tables"
        more = list(others(style, 2, NEAR, TURN_RAD)) if tables else None
        exported = export(model(), inputs)
        write_seed(home, exported, yaml.safe_dump(data), rig, areas, more, beyond(rig), **options)

    return write


SEEDS_OF_LIFTING: dict[str, Callable[[Path], None]] = {
    "columns": _written(lambda: Columns(COARSE, "", 6), COARSE, ("passes",)),
    "sorted": _written(lambda: Sorted(FINE, "ends first"), FINE, ("rows",)),
    "sorted_masked": _written(lambda: Sorted(COARSE, "masked"), COARSE, ("rows",)),
    "weighted": _written(lambda: Weighted(FINE, ""), FINE, ("rows",)),
    "weighted_many": _written(lambda: Weighted(COARSE, "", 6), COARSE, ("rows",)),
    "tables_pooled": _written(
        lambda: Columns(COARSE, "", 24),
        COARSE,
        ("tables", "rows"),
        lambda rig: [together(rig)],
        mode="tables",
        capacity="auto",
    ),
    "tables_weighted": _written(
        lambda: Weighted(FINE, ""), FINE, ("tables", "rows"), mode="tables", capacity="auto"
    ),
}
"""Every seed by its name."""
