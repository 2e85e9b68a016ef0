"""Seeds of lenses: a model that projects through MEI lenses, bound exactly, within a tolerance, and with tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.visibility.grid import QueryGrid
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.pyramid import Deviation
from specialize.zoo.lens_sight import PARAMETERS, look_through
from tests.synthetic.attention import Projection, Site, Style, zero_padded
from tests.synthetic.exporting import export
from tools.mutants.seed_files import write_seed

WIDE = Style(
    cameras=4,
    grid=QueryGrid((24, 30), (-15.0, -12.0, -2.0, 15.0, 12.0, 1.0), 2),
    size_px=(640, 480),
    levels=((6, 8),),
)
IMAGE = {"size_px": [640, 480], "scale": 0.5, "raw_size_px": [1280, 960]}
NEAR = Deviation(rotation_rad=0.02, translation_m=0.1, focal_ratio=0.02, principal_point_px=1.0)
TOLERANCE = "rotation=1deg,translation=5cm,focal=1%,principal_point=1px"


class Looking(nn.Module):
    """One site behind MEI lenses."""

    points: Tensor
    size: Tensor

    def __init__(self, style: Style) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.site, self.style = Site(style), style
        self.register_buffer("points", Projection(style).points.reshape(-1, 4).T)  # (4, Q * D)
        self.register_buffer("size", torch.tensor(style.size_px, dtype=torch.float32)[:, None])

    def forward(self, query: Tensor, maps: Tensor, lidar2cam: Tensor, lens: Tensor) -> Tensor:
        """Maps queries (1, Q, C) to the same; maps (N, S, C), lidar2cam (1, N, 4, 4), lens (1, N, 10)."""
        sight = look_through(self.points, lidar2cam, lens, self.size, self.style.grid.anchors, "mei")
        return query + self.site.output(zero_padded(self.site, query, maps, sight.reference, sight.seen > 0))


def _lenses(**options: Any) -> Callable[[Path], None]:
    """Return what writes a seed for the four fisheyes."""

    def write(home: Path) -> None:
        profile = replace(load_profile(resource_dir("calib_profiles") / "fisheye4.yaml"), vehicle="lenses")
        sidecar = yaml.safe_dump(_sidecar(), sort_keys=False)
        more = list(at_the_edge(profile, [NEAR] * 4, 2, seed=5)) if options.get("mode") == "tables" else None
        write_seed(home, export(Looking(WIDE), _example()), sidecar, profile, ("lenses",), more, **options)

    return write


def _example() -> dict[str, Tensor]:
    style, count = WIDE, len(PARAMETERS["mei"])
    numbers = torch.tensor([360.0, 360.0, 320.0, 240.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.6])
    return {
        "query": torch.randn(1, style.grid.queries, style.dims),
        "maps": torch.randn(style.cameras, style.cells, style.dims),
        "lidar2cam": torch.eye(4).expand(1, style.cameras, 4, 4).clone(),
        "lens": numbers.expand(1, style.cameras, count).clone(),
    }


def _sidecar() -> dict[str, object]:
    grid = WIDE.grid
    return {
        "schema": "specialize/model@1",
        "image": IMAGE,
        "calibration_inputs": {
            "lidar2cam": "lidar2cam",
            "lens": {"kind": "network_lens", "parameters": list(PARAMETERS["mei"])},
        },
        "grids": [{"shape": list(grid.shape), "range_m": list(grid.range_m), "anchors": grid.anchors}],
        "lens": {"model": "mei"},
    }


SEEDS_OF_LENSES: dict[str, Callable[[Path], None]] = {
    "lenses": _lenses(),
    "lenses_envelope": _lenses(mode="envelope", tolerance=TOLERANCE),
    "lenses_tables": _lenses(mode="tables", capacity="auto"),
}
