"""What a graph of single elements needs for poolings: matrices inverted, and points counted, sorted and listed.

Pivots are chosen by comparisons, so an inverse is the same nodes for every matrix. Points are sorted by one TopK of all
of them, by cell and then by number, and put to their places by an index each; points that are left out have places
behind the result, which are cut off. Every shape is a number, and no two elements go to one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.binding.relink.nodes import const, ints, op, shaped, sliced


def inverse(matrices: ir.Value, count: int) -> ir.Value:
    """Return the inverses (count, 4, 4) of matrices of float64, as `places.inverse_of` computes them."""
    unit = const(np.broadcast_to(np.eye(4), (count, 4, 4)).copy())
    both = op("Concat", shaped(matrices, (count, 4, 4)), unit, axis=2)
    rows = [
        shaped(sliced(both, (count, 4, 8), [(0, count, 1), (row, row + 1, 1), (0, 8, 1)]), (count, 8))
        for row in range(4)
    ]

    def element(row: ir.Value, column: int) -> ir.Value:
        return sliced(row, (count, 8), [(0, count, 1), (column, column + 1, 1)])

    for column in range(4):
        rows = _pivoted(rows, [op("Abs", element(row, column)) for row in rows], column)
        pivot = op("Div", rows[column], element(rows[column], column))
        rows = [
            pivot if row == column else op("Sub", each, op("Mul", element(each, column), pivot))
            for row, each in enumerate(rows)
        ]
    right = [shaped(sliced(row, (count, 8), [(0, count, 1), (4, 8, 1)]), (count, 1, 4)) for row in rows]
    return op("Concat", *right, axis=1)


def _pivoted(rows: list[ir.Value], sizes: list[ir.Value], column: int) -> list[ir.Value]:
    """Return rows after that of the largest size, the first of equals, and that of a column have changed places."""
    largest, chosen = sizes[column], ints([column])
    for row in range(column + 1, 4):
        larger = op("Greater", sizes[row], largest)
        largest, chosen = op("Where", larger, sizes[row], largest), op("Where", larger, ints([row]), chosen)
    found, first = list(rows), rows[column]
    for row in range(column + 1, 4):
        here = op("Equal", chosen, ints([row]))
        found[column] = op("Where", here, rows[row], found[column])
        found[row] = op("Where", here, first, rows[row])
    return found


@dataclass(frozen=True, slots=True)
class Sorted:
    """A row of numbers of cells, sorted by cell and then by place; others than 0 to `cells - 1` come last.

    Attributes:
        size: How many there are.
        cells: How many cells there are.
        counts: (cells + 1,) how many each cell has, and how many are in none.
        order: (size,) which stands at every place.
        cell: (size,) its cell, `cells` for none.
        within: (size,) its place among those of its cell.
    """

    size: int
    cells: int
    counts: ir.Value
    order: ir.Value
    cell: ir.Value
    within: ir.Value

    def placed(self, place: ir.Value, places: int, spare: int, fits: ir.Value) -> ir.Value:
        """Return (places,): what stands where, `spare` where nothing does.

        Args:
            place: (size,) where each is to stand.
            places: How many places there are.
            spare: Content of the others.
            fits: (size,) which stand anywhere.
        """
        inside = op("And", op("Less", self.cell, ints([self.cells])), fits)
        behind = const(np.arange(places, places + self.size, dtype=np.int64))
        where = op("Where", inside, place, behind)
        whole = const(np.full(places + self.size, spare, np.int64))
        put = op("ScatterElements", whole, where, self.order, axis=0)
        return sliced(put, (places + self.size,), [(0, places, 1)])

    def cut(self, blocks: int, size: int) -> tuple[ir.Value, ir.Value]:
        """Return (blocks * size,) as CUT puts it, -1 elsewhere, and how many blocks are needed, (1,)."""
        own = sliced(self.counts, (self.cells + 1,), [(0, self.cells, 1)])
        used = op("Div", op("Add", own, ints([size - 1])), ints([size]))
        starts = _before(op("Concat", used, ints([0]), axis=0))
        block = op("Mul", op("Gather", starts, self.cell), ints([size]))
        place = op("Add", block, self.within)
        fits = op("Less", place, ints([blocks * size]))
        total = op("ReduceSum", used, ints([0]), keepdims=1)
        return self.placed(place, blocks * size, -1, fits), total

    def listed(self, width: int, spare: int) -> ir.Value:
        """Return (cells * width,) as LIST puts it."""
        place = op("Add", op("Mul", self.cell, ints([width])), self.within)
        return self.placed(place, self.cells * width, spare, op("Less", self.within, ints([width])))


def sort(row: ir.Value, size: int, cells: int) -> Sorted:
    """Sort a row (size,) of int64 by cell and then by place."""
    inside = op("And", op("GreaterOrEqual", row, ints([0])), op("Less", row, ints([cells])))
    cell = op("Where", inside, row, ints([cells]))
    numbers = const(np.arange(size, dtype=np.int64))
    key = op("Add", op("Mul", cell, ints([size])), numbers)
    best = op("TopK", key, ints([size]), outputs=2, axis=0, largest=0, sorted=1)
    order = best.producer().outputs[1]  # type: ignore[union-attr]
    counts = counted(cell, size, cells)
    by_cell = op("Gather", cell, order)
    within = op("Sub", numbers, op("Gather", _before(counts), by_cell))
    return Sorted(size, cells, counts, order, by_cell, within)


def counted(cell: ir.Value, size: int, cells: int) -> ir.Value:
    """Return (cells + 1,), how many of (size,) are in each cell, and in none."""
    zeros, ones = const(np.zeros(cells + 1, np.int64)), const(np.ones(size, np.int64))
    return op("ScatterElements", zeros, cell, ones, axis=0, reduction="add")


def _before(counts: ir.Value) -> ir.Value:
    """Return how many there are before each."""
    return op("CumSum", counts, const(np.array(0, np.int64)), exclusive=1)
