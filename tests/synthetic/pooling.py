"""Pooling of frustum points in the forms of the field."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tests.synthetic.attention import Style
from tests.synthetic.others import Lift

Form = Literal["masked", "ends first", "written last"]


class Sorted(Lift):
    """Points sorted by cell, summed from the first to the last, read at the ends of intervals, and subtracted.

    Args:
        style: Cameras, grid and channels.
        form: `masked`: points outside are dropped, ends are found by a mask, differences are concatenated; `ends
            first`: all points are sorted, those outside last, and sums that begin with zero are read at both ends of
            every cell; `written last`: differences go to a grid with a spare cell for the points outside.
        bins: Depths.
    """

    def __init__(self, style: Style, form: Form, bins: int = 3) -> None:
        super().__init__(style, form, bins)
        self.form = form

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        cells, count = self.cells(img2lidar).flatten(), self.style.grid.queries
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        rows = (depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2).flatten(0, 3)
        if self.form == "ends first":
            return self._between_ends(rows, cells, count)
        if self.form == "masked":
            inside = cells < count
            rows, cells = rows[inside], cells[inside]
        order = cells.argsort()
        rows, cells = rows[order].cumsum(0), cells[order]
        last = torch.ones_like(cells, dtype=torch.bool)
        last[:-1] = cells[1:] != cells[:-1]
        rows, cells = rows[last], cells[last]
        rows = torch.cat([rows[:1], rows[1:] - rows[:-1]])
        out = rows.new_zeros(count + 1, rows.shape[1])
        out[cells] = rows
        return out[:count]

    def _between_ends(self, rows: Tensor, cells: Tensor, count: int) -> Tensor:
        """Return the difference of the sums before the first and behind the last point of every cell."""
        order = cells.argsort()
        sums = torch.cat([torch.zeros_like(rows[:1]), rows[order].cumsum(0)])
        ends = (cells[None] <= torch.arange(count)[:, None]).sum(1)
        starts = (cells[None] < torch.arange(count)[:, None]).sum(1)
        return sums[ends] - sums[starts]
