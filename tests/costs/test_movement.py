"""What is sorted, scanned, gathered and scattered, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.costs import KINDS, Movement, count
from specialize.costs.forms import form_cost
from specialize.costs.formulas import FORMULAS
from specialize.costs.movement import MOVEMENTS
from specialize.evidence.costs import Amount
from tests.costs.graphs import Builder, ints


def moved(b: Builder) -> Movement:
    """Return what the last node of a graph moves."""
    return b.last().movement


def test_every_kind_is_shown() -> None:
    """The kinds of the table are those of the value, of the text and of the report."""
    assert Movement.__struct_fields__ == KINDS


def test_every_operator_that_moves_has_a_formula() -> None:
    """What moves elements is an operator that is counted."""
    assert set(MOVEMENTS) <= set(FORMULAS)


def test_a_gather_of_rows_moves_rows() -> None:
    """Five rows of 8 along the first axis are five elements; along the last axis each index moves a number per row."""
    b = Builder()
    b("Gather", b.input(20, 8), ints(3, 1, 4, 1, 5))
    assert moved(b) == Movement(gathered=Amount(5, 5 * 8 * 4))
    b = Builder()
    b("Gather", b.input(7, 9), ints(3, 1), axis=-1)
    assert moved(b) == Movement(gathered=Amount(14, 14 * 4))


def test_gathers_of_elements_and_by_tuples() -> None:
    """`GatherElements` moves single numbers, `GatherND` what its tuples leave."""
    b = Builder()
    b("GatherElements", b.input(6, 4), np.zeros((3, 4), np.int64), axis=0)
    assert moved(b) == Movement(gathered=Amount(12, 48))
    b = Builder()
    b("GatherND", b.input(6, 4, 8), np.zeros((5, 2), np.int64))
    assert moved(b) == Movement(gathered=Amount(5, 5 * 8 * 4))


def test_scatters_move_their_updates() -> None:
    """`ScatterND` moves rows, `ScatterElements` numbers, added or put; what they pass on is no movement."""
    b = Builder()
    b("ScatterND", b.input(100, 8), np.zeros((5, 1), np.int64), b.input(5, 8))
    assert moved(b) == Movement(scattered=Amount(5, 5 * 8 * 4))
    b = Builder()
    b("ScatterElements", b.input(100, 8), np.zeros((5, 8), np.int64), b.input(5, 8), axis=0, reduction="add")
    assert moved(b) == Movement(scattered=Amount(40, 160))


def test_a_sort_orders_what_it_keeps_and_scans_all() -> None:
    """The 10 largest of 1000 are ten sorted and a thousand scanned."""
    b = Builder()
    b("TopK", b.input(1000), ints(10), outputs=2)
    assert moved(b) == Movement(sorted=Amount(10, 40), scanned=Amount(1000, 4000))


def test_a_running_sum_scans_rows() -> None:
    """Along the first axis rows are added in one piece; along the last, numbers; unknown axes count numbers."""
    for axis, elements in ((0, 50), (1, 400), (-1, 400)):
        b = Builder()
        b("CumSum", b.input(50, 8), np.array(axis))
        assert moved(b) == Movement(scanned=Amount(elements, 1600))


def test_what_shapes_alone_order_is_no_movement() -> None:
    """A transposition, a slice and a concatenation have bytes and pieces, and no movement."""
    b = Builder()
    b("Transpose", b.input(6, 4), perm=[1, 0])
    cost = b.last()
    assert cost.movement == Movement() and cost.moved_bytes > 0


def test_sums_have_all_kinds() -> None:
    """Totals and forms add each kind up; a node of unknown shape leaves movement uncounted if it would move."""
    b = Builder()
    rows = b("Gather", b.input(20, 8), ints(3, 1, 4, 1, 5))
    b("ScatterND", b.input(100, 8), np.zeros((5, 1), np.int64), rows)
    report = count(b.model())
    assert report.total().movement == Movement(gathered=Amount(5, 160), scattered=Amount(5, 160))
    assert form_cost(report, 0).movement == report.total().movement


@pytest.mark.parametrize(("op", "lost"), [("Gather", True), ("Abs", False)])
def test_unknown_shapes_leave_movement_uncounted(op: str, lost: bool) -> None:
    """A gather of unknown size makes the movement of its form a dash; another operator does not."""
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(["n", 8]))
    index = ir.Value(name="i", type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape(["m"]))
    node = ir.node(op, [value, index] if op == "Gather" else [value], name="n")
    graph = ir.Graph([value, index], node.outputs, nodes=[node], opset_imports={"": 17})
    report = count(ir.Model(graph, ir_version=9))
    assert ("movement" in form_cost(report, 0).uncounted) is lost
