"""Programs in the making: what was copied is read where it was, and gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.binding.relink.assemble import FLOAT64, Assembler, Draft
from specialize.binding.relink.memory import placed
from specialize.binding.relink.program import INPUTS, Binary, Op, Program, Reduce
from specialize.binding.relink.run import Calibration, run
from specialize.binding.relink.strides import contiguous

FLOATS = 3
MATRICES = np.random.default_rng(3).standard_normal((5, 4, 4))
CALIBRATION = Calibration(MATRICES, MATRICES, MATRICES, np.eye(4))


def started() -> tuple[Assembler, Draft]:
    """Return a program in the making of five cameras, and their projections (5, 16)."""
    assembler = Assembler()
    for number in range(len(INPUTS)):
        assembler.new(FLOAT64, (5, 4, 4) if number < 3 else (4, 4))
    return assembler, assembler.reshape(assembler.drafts[0], (5, 16))


def result(assembler: Assembler, draft: Draft) -> tuple[Program, np.ndarray]:
    """Return a finished program and what it gives."""
    program, _ = placed(assembler, {"t": draft.number}, 5)
    return program, run(program, CALIBRATION)["t"]


def operators(program: Program) -> list[Op]:
    """Return the operators of a program."""
    return [each.op for each in program.instructions]


@pytest.mark.parametrize("start", [0, 3, 6])
def test_slices_are_read_where_they_are(start: int) -> None:
    """A slice that a function of two numbers reads is not copied."""
    assembler, whole = started()
    part = assembler.copy(whole, (5, 6), (16, 1), offset=start)
    row = assembler.copy(whole, (5, 1), (16, 1), offset=2)
    program, found = result(assembler, assembler.binary(Binary.DIV, part, row))
    np.testing.assert_array_equal(found, MATRICES.reshape(5, 16)[:, start : start + 6] / MATRICES[:, 0, 2:3])
    assert operators(program) == [Op.BINARY]


def test_choices_read_slices_too() -> None:
    """So does a choice between two arrays, of which one is repeated."""
    assembler, whole = started()
    left = assembler.copy(whole, (5, 8), (16, 1), offset=8)
    right = assembler.copy(whole, (5, 8), (0, 1))  # the first row, repeated
    condition = assembler.binary(Binary.GREATER, left, right)
    program, found = result(assembler, assembler.where(condition, left, right))
    np.testing.assert_array_equal(found, np.maximum(MATRICES.reshape(5, 16)[:, 8:], MATRICES[0].ravel()[:8]))
    assert Op.COPY not in operators(program)


def test_what_does_not_lie_well_is_copied() -> None:
    """A column is copied once, and so is a slice that does not begin at a multiple of 8 bytes."""
    assembler, whole = started()
    columns = assembler.transpose(whole, (1, 0))
    program, found = result(assembler, assembler.binary(Binary.ADD, columns, columns))
    np.testing.assert_array_equal(found, 2 * MATRICES.reshape(5, 16).T)
    assert operators(program) == [Op.COPY, Op.BINARY]
    assembler, whole = started()
    odd = assembler.copy(assembler.cast(whole, FLOATS), (5, 6), (16, 1), offset=3)
    program, found = result(assembler, assembler.binary(Binary.ADD, odd, odd))
    np.testing.assert_array_equal(found, 2 * MATRICES.reshape(5, 16)[:, 3:9].astype(np.float32))
    assert operators(program) == [Op.UNARY, Op.COPY, Op.BINARY]


def test_the_longest_axis_of_a_copy_is_the_fastest() -> None:
    """Whatever the order of axes, the innermost loop of a copy is long."""
    assembler, _ = started()
    points = assembler.constant(np.arange(6000.0).reshape(3, 2, 1000))
    program, found = result(assembler, assembler.transpose(points, (0, 2, 1)))
    np.testing.assert_array_equal(found, np.arange(6000.0).reshape(3, 2, 1000).transpose(0, 2, 1))
    (copy,) = program.instructions
    assert copy.words[4:8] == (3, 3, 2, 1000)


def test_one_element_is_not_reduced() -> None:
    """Along an axis of size 1 there is nothing to add."""
    assembler, whole = started()
    one = assembler.reduce(Reduce.SUM, assembler.reshape(whole, (5, 1, 16)), 1)
    doubled = assembler.binary(Binary.ADD, one, one)
    assert operators(result(assembler, doubled)[0]) == [Op.BINARY]
    assert contiguous(one.shape) == (16, 16, 1)
