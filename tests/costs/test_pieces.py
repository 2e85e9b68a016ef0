"""How many contiguous pieces an operator works on, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.costs.formulas import FORMULAS
from specialize.costs.pieces import PIECES
from tests.costs.graphs import Builder, ints


@pytest.mark.parametrize(
    ("first", "second", "pieces"),
    [
        ((4, 8, 16), (4, 8, 16), 1),
        ((4, 8, 16), (1,), 1),
        ((4, 8, 16), (16,), 32),
        ((4, 8, 16), (8, 16), 4),
        ((4, 8, 16), (4, 8, 1), 32),
        ((4, 8, 16), (4, 1, 1), 4),
        ((100, 1), (1, 3), 100),
        ((6, 1, 2), (6, 20, 1), 120),
    ],
)
def test_a_broadcast_runs_in_stretches(first: tuple[int, ...], second: tuple[int, ...], pieces: int) -> None:
    """A stretch ends where an input that went along stays, or one that stayed goes along."""
    b = Builder()
    b("Mul", b.input(*first), b.input(*second))
    assert b.last().pieces == pieces


def test_products_count_matrices() -> None:
    """Many small matrices are many pieces; rows times one matrix are one."""
    b = Builder()
    b("MatMul", b.input(6, 1, 4, 4), b.input(6, 100, 4, 1))
    assert b.last().pieces == 600
    b = Builder()
    b("MatMul", b.input(6, 100, 4), b.weight(4, 4))
    assert b.last().pieces == 1


@pytest.mark.parametrize(
    ("order", "pieces"), [([0, 1, 2], 1), ([1, 0, 2], 32), ([0, 2, 1], 32), ([2, 1, 0], 32)]
)
def test_a_transposition_keeps_what_stays_last(order: list[int], pieces: int) -> None:
    """Rows that stay whole move whole; else lines of 16 numbers."""
    b = Builder()
    b("Transpose", b.input(4, 8, 16), perm=order)
    assert b.last().pieces == pieces


def test_reductions_and_softmax_depend_on_the_last_axis() -> None:
    """Along the last axis a row is one run; along another the rows behind it are added one by one."""
    for axis, pieces in ((1, 32), (2, 1), (0, 4)):
        b = Builder()
        b("ReduceSum", b.input(4, 8, 16), ints(axis), keepdims=0)
        assert b.last().pieces == pieces
    for axis, pieces in ((2, 32), (-1, 32), (1, 512)):
        b = Builder()
        b("Softmax", b.input(4, 8, 16), axis=axis)
        assert b.last().pieces == pieces


def test_an_expansion_repeats_stretches() -> None:
    """A number repeated 8 times is a stretch of 8."""
    b = Builder()
    b("Expand", b.input(100, 1), np.array([100, 8]))
    assert b.last().pieces == 100


def test_what_works_in_pieces_is_counted() -> None:
    """Every operator of the table has a formula of operations, too."""
    assert set(PIECES) <= set(FORMULAS)
