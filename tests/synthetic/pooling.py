"""Pooling of frustum points in the forms of the field."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tests.synthetic.attention import Style
from tests.synthetic.others import Lift

Form = Literal["masked", "ends first", "written last", "ends counted"]


class Sorted(Lift):
    """Points sorted by cell, summed from the first to the last, read at the ends of intervals, and subtracted.

    Args:
        style: Cameras, grid and channels.
        form: `masked`: points outside are dropped, ends are found by a mask, differences are concatenated; `ends
            first`: all points are sorted, those outside last, and sums that begin with zero are read at both ends of
            every cell; `written last`: differences go to a grid with a spare cell for the points outside; `ends
            counted`: room for more intervals than there are, whose spare ones are all written to the spare cell.
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
        if self.form == "ends counted":
            return self._fixed_number(rows, cells, last, count)
        rows, cells = rows[last], cells[last]
        rows = torch.cat([rows[:1], rows[1:] - rows[:-1]])
        out = rows.new_zeros(count + 1, rows.shape[1])
        out[cells] = rows
        return out[:count]

    def _fixed_number(self, sums: Tensor, cells: Tensor, last: Tensor, count: int) -> Tensor:
        """Return the differences between as many ends of intervals as there are cells, and three more."""
        points = len(sums)
        numbered = torch.where(last, torch.arange(points), torch.tensor(points))
        ends = numbered.topk(count + 3, largest=False, sorted=True).values
        used = ends < points
        ends = ends.clamp(max=points - 1)
        rows = sums[ends]
        rows = torch.cat([rows[:1], rows[1:] - rows[:-1]])
        out = sums.new_zeros(count + 1, sums.shape[1])
        out[torch.where(used, cells[ends], torch.tensor(count))] = rows
        return out[:count]

    def _between_ends(self, rows: Tensor, cells: Tensor, count: int) -> Tensor:
        """Return the difference of the sums before the first and behind the last point of every cell."""
        order = cells.argsort()
        sums = torch.cat([torch.zeros_like(rows[:1]), rows[order].cumsum(0)])
        ends = (cells[None] <= torch.arange(count)[:, None]).sum(1)
        starts = (cells[None] < torch.arange(count)[:, None]).sum(1)
        return sums[ends] - sums[starts]


Spelling = Literal["scatter_add", "index_add", "index_put", "scatter_reduce", "cameras", "one-hot"]


class Written(Lift):
    """Points added to cells in every way that PyTorch has for it.

    Args:
        style: Cameras, grid and channels.
        spelling: `cameras` adds one camera after the other to the same cells; `one-hot` multiplies by a matrix of
            cells by points; the others are functions of PyTorch.
        bins: Depths.
    """

    def __init__(self, style: Style, spelling: Spelling, bins: int = 3) -> None:
        super().__init__(style, spelling, bins)
        self.spelling = spelling

    def forward(self, maps: Tensor, img2lidar: Tensor) -> Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        cells, count = self.cells(img2lidar).flatten(1), self.style.grid.queries
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        rows = (depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2).flatten(1, 3)  # (N, P, C)
        out = rows.new_zeros(count + 1, rows.shape[2])
        if self.spelling == "cameras":
            for own, places in zip(rows, cells, strict=True):
                out = out.scatter_add(0, places[:, None].expand(-1, own.shape[1]), own)
            return out[:count]
        rows, cells = rows.flatten(0, 1), cells.flatten()
        if self.spelling == "one-hot":
            return (cells[None] == torch.arange(count)[:, None]).to(rows.dtype) @ rows
        if self.spelling == "scatter_add":
            out = out.scatter_add(0, cells[:, None].expand(-1, rows.shape[1]), rows)
        elif self.spelling == "index_add":
            out = out.index_add(0, cells, rows)
        elif self.spelling == "index_put":
            out = out.index_put((cells,), rows, accumulate=True)
        else:
            out = out.scatter_reduce(0, cells[:, None].expand(-1, rows.shape[1]), rows, "sum")
        return out[:count]
