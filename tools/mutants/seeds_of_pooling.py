"""A seed that pools onto a base: to places of several coordinates, to cells counted from the end, and by rank.

Rows have constant factors, some of them zero, and stand behind a Gather and a Transpose of their own axes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from onnx import helper, numpy_helper
from torch import Tensor

from specialize.visibility.grid import QueryGrid
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import vehicle
from tools.mutants.seed_files import write_seed

STYLE = replace(BASE, grid=QueryGrid((6, 8), BASE.grid.range_m, 1), levels=((5, 6),))


class Places(Lift):
    """Frustum points are added to cells by row and column, by number from the end, and by rank."""

    def forward(self, maps: Tensor, img2lidar: Tensor, base: Tensor) -> Tensor:  # type: ignore[override]
        """Maps images (N, 4, h, w), (1, N, 4, 4) and (H, W, C) to rows (2 * H * W + R, C)."""
        height, width = self.style.grid.shape
        cells = self.cells(img2lidar)  # (N, bins, h, w)
        depth = self.depth(maps).softmax(1)
        volume = (depth[:, :, None] * self.context(maps)[:, None]).permute(
            0, 1, 3, 4, 2
        )  # (N, bins, h, w, C)
        kept = (cells < height * width).to(torch.float32)
        gains = torch.relu(torch.sin(cells[..., None].to(torch.float32) + torch.arange(volume.shape[-1])))
        rows = (volume * gains).permute(2, 0, 1, 3, 4).flatten(0, 3)  # rows of the image first
        places = cells.clamp(max=height * width - 1).permute(2, 0, 1, 3).flatten()
        order = torch.topk(places.to(torch.float32), places.shape[0], largest=False).indices
        picked, sorted_ = rows[order - places.shape[0]], places[order]
        row, column = torch.div(sorted_, width, rounding_mode="floor"), sorted_ % width
        first = base.index_put((row - height, column), picked, accumulate=True).flatten(0, 1)
        others = (volume * (kept[..., None] * gains.flip(-1))).flatten(0, 3)  # cameras first
        index = cells.clamp(max=height * width - 1).flatten()[:, None].expand(-1, others.shape[1])
        second = (2.0 * base.flatten(0, 1)).scatter_add(0, index, others)
        few = self.mix(volume[0, 0].flatten(0, 1))  # (h * w, C)
        by_u = torch.topk(img2lidar[0, 0, 0, 0] * torch.arange(few.shape[0]), few.shape[0]).indices
        third = torch.zeros_like(few).scatter_add(0, by_u[:, None].expand(-1, few.shape[1]), few)
        return torch.cat([first, second, third])


def write_pooled_places(home: Path) -> None:
    """Write the seed."""
    rig = vehicle(STYLE, TURN_RAD, "vehicle")
    matrix = np.linalg.inv(rig.image_from_lidar())[None].astype(np.float32)
    ((height, width),) = STYLE.levels
    inputs = {
        "maps": torch.randn(STYLE.cameras, 4, height, width),
        "img2lidar": torch.tensor(matrix),
        "base": torch.randn(*STYLE.grid.shape, STYLE.dims),
    }
    data = {
        "schema": "specialize/model@1",
        "image": {"size_px": list(STYLE.size_px)},
        "calibration_inputs": {"img2lidar": "img2lidar"},
    }
    model = export(Places(STYLE, "places"), inputs)
    _add_as_written(model, STYLE.grid.queries)
    write_seed(home, model, yaml.safe_dump(data), rig, ("passes",))


def _add_as_written(model: onnx.ModelProto, cells: int) -> None:
    """Write in place what the exporter cannot: cells counted from the end, and a ScatterND that adds onto the base."""
    nodes = list(model.graph.node)
    at = next(place for place, node in enumerate(nodes) if node.op_type == "ScatterElements")
    model.graph.initializer.append(numpy_helper.from_array(np.array(cells, np.int64), "cells_in_all"))
    nodes.insert(at, helper.make_node("Sub", [nodes[at].input[1], "cells_in_all"], ["from_the_end"]))
    nodes[at + 1].input[1] = "from_the_end"
    (scatter,) = (node for node in nodes if node.op_type == "ScatterND")
    scatter.input[0] = "base"
    scatter.attribute.append(helper.make_attribute("reduction", "add"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
