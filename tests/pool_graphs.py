"""Random graphs that pool rows to cells: sorted and subtracted, added in repeated places, multiplied, overwritten."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from hypothesis import strategies as st

from tests.row_graphs import OPERATORS, ROW_WISE, Growing, Tensor, _finished, _grow

CELLS = 7


def sort_and_subtract(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """Rows in the order of their cells, summed from either end, read at the ends of cells, subtracted."""
    order = np.argsort(cells, kind="stable")
    kept = order[cells[order] < CELLS]
    count = (len(kept), *rows.shape[1:])
    if len(kept) < 2:
        return None
    moved = g.add("Gather", [rows.name, g.maker.const(kept)], count, axis=0)
    flags = {"exclusive": g.draw(st.integers(0, 1)), "reverse": g.draw(st.integers(0, 1))}
    sums = moved and g.add("CumSum", [moved.name, g.maker.const(np.array(0))], count, **flags)
    ends = np.sort(g.random.integers(0, len(kept), g.draw(st.integers(2, CELLS))))
    read = sums and g.add("Gather", [sums.name, g.maker.const(ends)], (len(ends), *count[1:]), axis=0)
    if read is None:
        return None
    high, low = (
        g.add("Slice", [read.name, *map(g.maker.const, ([a], [b], [0]))], (len(ends) - 1, *count[1:]))
        for a, b in ((1, len(ends)), (0, len(ends) - 1))
    )
    difference = high and low and g.add("Sub", [high.name, low.name], high.shape)
    if difference is None or g.draw(st.booleans()):
        return difference
    first = g.add("Slice", [read.name, *map(g.maker.const, ([0], [1], [0]))], (1, *count[1:]))
    return first and g.add("Concat", [first.name, difference.name], (len(ends), *count[1:]), axis=0)


def add_in_place(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """Rows added to a table, several to one place, in one or two steps."""
    shape = (CELLS + 1, *rows.shape[1:])
    table = g.values(shape, g.draw(st.sampled_from(["zeros", "numbers"])))
    cut = g.draw(st.sampled_from([0, len(cells) // 2]))
    result = Tensor(table, shape)
    for start, end in ((0, cut), (cut, len(cells))):
        if start == end:
            continue
        bounds = [g.maker.const([number]) for number in (start, end, 0)]
        part = g.add("Slice", [rows.name, *bounds], (end - start, *rows.shape[1:]))
        places = g.maker.const(cells[start:end, None])
        added = part and g.add("ScatterND", [result.name, places, part.name], shape, reduction="add")
        result = added or result
    return result


def multiply(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """Rows multiplied by a one-hot matrix, whose entries may be numbers."""
    if len(rows.shape) != 2:
        return None
    matrix = (cells[None] == np.arange(CELLS)[:, None]).astype(np.float32)
    if g.draw(st.booleans()):
        matrix *= g.random.random(matrix.shape).astype(np.float32)
    return g.add("MatMul", [g.maker.const(matrix), rows.name], (CELLS, *rows.shape[1:]))


def overwrite(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """A table overwritten two or three times, by masks or by writes: the last one counts."""
    shape = (CELLS, *rows.shape[1:])
    result = Tensor(g.values(shape, g.draw(st.sampled_from(["zeros", "numbers"]))), shape)
    for _ in range(g.draw(st.integers(2, 3))):
        places = np.sort(g.random.choice(CELLS, g.draw(st.integers(1, CELLS)), replace=False))
        sources = g.random.integers(0, rows.shape[0], CELLS)
        if g.draw(st.booleans()):
            part = g.add(
                "Gather", [rows.name, g.maker.const(sources[places])], (len(places), *shape[1:]), axis=0
            )
            made = part and g.add(
                "ScatterND", [result.name, g.maker.const(places[:, None]), part.name], shape
            )
        else:
            mask = np.isin(np.arange(CELLS), places).reshape(-1, *(1,) * (len(shape) - 1))
            part = g.add("Gather", [rows.name, g.maker.const(sources)], shape, axis=0)
            made = part and _blend(g, result, part, mask)
        result = made or result
    return result


def overwrite_columns(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """Columns of one or two tables overwritten by indices for all axes, added up: what is exported of `x[i, :, p]`."""
    if len(rows.shape) != 2:
        return None
    width = rows.shape[1]
    tables = g.draw(st.sampled_from([1, 2]))
    shape = (tables, width, CELLS)
    result = Tensor(g.values(shape, g.draw(st.sampled_from(["zeros", "numbers"]))), shape)
    turned = g.add("Transpose", [rows.name], rows.shape[::-1], perm=[1, 0])
    for _ in range(g.draw(st.integers(1, 3))):
        places = g.random.choice(CELLS, g.draw(st.integers(1, CELLS)), replace=False)
        sources = g.random.integers(0, rows.shape[0], len(places))
        channels = np.arange(width) if g.draw(st.integers(0, 3)) else g.random.permutation(width)
        index = np.stack(np.meshgrid(g.random.integers(0, tables, 1), channels, places, indexing="ij"), -1)[0]
        first = g.draw(st.booleans())  # whether the channels come first
        from_, axis = (turned, 1) if first else (rows, 0)
        index = index if first else index.transpose(1, 0, 2)
        part = from_ and g.add("Gather", [from_.name, g.maker.const(sources)], index.shape[:2], axis=axis)
        made = part and g.add("ScatterND", [result.name, g.maker.const(index), part.name], shape)
        result = made or result
    return g.add("ReduceSum", [result.name, g.maker.const([0])], shape[1:], keepdims=0)


def gather_everywhere(g: Growing, rows: Tensor, cells: np.ndarray) -> Tensor | None:
    """Elements gathered for all places of two tables, masked, added up: one place for all features, or not."""
    if len(rows.shape) != 2 or rows.shape[0] % 2:
        return None
    half, width = rows.shape[0] // 2, rows.shape[1]
    stacked = g.add("Reshape", [rows.name, g.maker.const([2, half, width])], (2, half, width))
    places = g.random.integers(0, half, (2, CELLS, width if g.draw(st.integers(0, 3)) == 0 else 1))
    index = g.maker.const(np.broadcast_to(places, (2, CELLS, width)))
    found = stacked and g.add("GatherElements", [stacked.name, index], (2, CELLS, width), axis=1)
    mask = g.maker.const((g.random.random((2, CELLS, 1)) < 0.5).astype(np.float32))
    kept = found and g.add("Mul", [found.name, mask], found.shape)
    return kept and g.add("ReduceSum", [kept.name, g.maker.const([0])], (CELLS, width), keepdims=0)


def _blend(g: Growing, before: Tensor, after: Tensor, mask: np.ndarray) -> Tensor | None:
    """Return one tensor where a mask is set and another elsewhere: by Where, or by products and a sum."""
    if g.draw(st.booleans()):
        return g.add("Where", [g.maker.const(mask), after.name, before.name], before.shape)
    kept = g.add("Mul", [before.name, g.maker.const((~mask).astype(np.float32))], before.shape)
    new = g.add("Mul", [after.name, g.maker.const(mask.astype(np.float32))], before.shape)
    return kept and new and g.add("Add", [kept.name, new.name], before.shape)


POOLS: tuple[Callable[[Growing, Tensor, np.ndarray], Tensor | None], ...] = (
    sort_and_subtract, sort_and_subtract, add_in_place, multiply, overwrite, overwrite, overwrite_columns,
    overwrite_columns, gather_everywhere,
)  # fmt: skip


@st.composite
def pool_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Rows that are worked on, pooled to cells, and worked on again."""
    g = Growing(draw)
    count = draw(st.sampled_from([6, 12, 40]))
    rows = Tensor(g.maker.input("x", (count, 4)), (count, 4))
    g.maker.input("image", (2, 4, 3, 5))
    g.pool = [rows]
    for _ in range(draw(st.integers(0, 3))):
        _grow(g, ROW_WISE)
    last = next((each for each in reversed(g.pool) if len(each.shape) > 1 and each.shape[0] == count), rows)
    cells = g.random.integers(0, CELLS + 1, count)
    pooled = draw(st.sampled_from(POOLS))(g, last, cells)
    if pooled is not None:
        g.pool.append(pooled)
    for _ in range(draw(st.integers(0, 2))):
        _grow(g, OPERATORS)
    return _finished(g)
