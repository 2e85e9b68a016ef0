"""Sums in blocks: any number of rows per cell, in a graph whose shapes depend on the room alone."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import onnx_ir as ir
from hypothesis import given

from specialize.graph.builder import Builder
from specialize.rows.block_sums import blocks_needed, cut, sum_blocks
from specialize.rows.capacity import SIDE_BY_SIDE, SIZE, most_rows
from tests.graphs import GraphMaker, operators, run

WIDTH, CELLS = 3, 5


def in_blocks(cells: np.ndarray, levels: tuple[int, ...], scales: np.ndarray) -> tuple[ir.Model, np.ndarray]:
    """Return a graph that sums rows `x` in blocks, and which row stands at every place."""
    first = cut(cells, levels[0])
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Identity", g.input("x", (len(first.entries), WIDTH)))))
    anchor = model.graph[0]
    summed = sum_blocks(
        Builder(model.graph, anchor, "made", {}), model.graph.inputs[0], first, scales, CELLS, levels
    )
    anchor.replace_input_with(0, summed)
    return model, first.entries


@given(
    counts=st.lists(st.sampled_from([0, 1, 2, 8, 9, 16, 17, 130, 140]), min_size=CELLS, max_size=CELLS),
    spare=st.integers(0, 3),
    more_levels=st.integers(0, 2),
)
def test_sums_are_those_of_every_cell(counts: list[int], spare: int, more_levels: int) -> None:
    """Spare blocks and spare levels change nothing, and rows have coefficients."""
    random = np.random.default_rng(0)
    cells = random.permutation(np.repeat(np.arange(CELLS), counts))
    levels = (*(blocks + spare for blocks in blocks_needed(np.array(counts))), *(1 + spare,) * more_levels)
    levels = tuple(max(1, blocks) for blocks in levels)
    rows, scales = random.standard_normal((len(cells) + 1, WIDTH)), random.standard_normal(len(cells) + 1)
    model, entries = in_blocks(cells, levels, scales)
    (got,) = run(model, {"x": rows[entries].astype(np.float32)}).values()
    wanted = np.zeros((CELLS, WIDTH))
    np.add.at(wanted, cells, rows[: len(cells)] * scales[: len(cells), None])
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


@given(st.integers(1, 5000))
def test_levels_hold_what_they_say(rows: int) -> None:
    """So many rows of one cell need exactly the levels that hold them."""
    levels = len(blocks_needed(np.array([rows])))
    assert rows <= most_rows(levels)
    assert levels == 1 or rows > most_rows(levels - 1)


def test_shapes_do_not_depend_on_the_cells() -> None:
    """Two sets of cells in the same room give the same operators with the same shapes."""
    graphs = []
    for cells in (np.repeat([0, 1, 2], [40, 1, 3]), np.repeat([3, 4], [2, 20])):
        model, _ = in_blocks(cells, (10, 4), np.ones(len(cells)))
        graphs.append([(node.op_type, str(node.outputs[0].shape)) for node in model.graph])
    assert graphs[0] == graphs[1]
    assert SIZE * 10 == 80 and SIDE_BY_SIDE == 2
    assert not {"ScatterND", "ScatterElements"} & set(operators(model))
