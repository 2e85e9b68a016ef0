"""Operators that work element by element, f(S x) = S f(x).

The half that lifts also says where the result must be zero because its operands are: that is how a mask that
multiplies the query, or a superset that is ANDed into a mask, reaches the sum over cameras.
"""

from __future__ import annotations

from itertools import combinations
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.ops import ALL_ZERO, ANY_ZERO, KEEPS_ZERO, of
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, aligned, factors_of
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Constant, Operand, Prefix
from specialize.rows.lift import Lifter, parameters_of, rows_first
from specialize.rows.rowmap import RowMap
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted, Parts

Bools = npt.NDArray[np.bool_]


def lift_elementwise(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Any operator that works element by element with broadcasting."""
    rows = lifter.axes.rows(layout)
    operands = []
    for source in node.inputs:
        assert source is not None
        own = aligned(layout, dims(source))
        operands.append(Operand(lifter.broadcast(source, own, rows), own, numpy_type(source)))
    if node.op_type == "Mul":
        scaled = _row_scale(lifter, operands, rows) or _row_scale(lifter, operands[::-1], rows)
        if scaled is not None and _covers(lifter, scaled[1], layout):
            return scaled[0]
    if node.op_type in ("Add", "Sub", "Sum") and all(_covers(lifter, each, layout) for each in operands):
        total = _partial_sum(node, operands, rows)
        if total is not None:
            return total
    if node.op_type == "Where":
        chosen = _choice(lifter, operands, layout, rows)
        if chosen is not None:
            return chosen
    zero = _zero_rows(node.op_type, [~operand.value.support() for operand in operands])
    return lifter.apply(node, output, layout, list(operands), zero_at=zero)


def emit_elementwise(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit an operator with broadcasting."""
    tokens = factors_of(emitter.substitute(base.layout, at))
    operands = [emitter.pieces(base.operand(i), at, spread=False) for i in range(len(base.operands))]

    def work(pieces: tuple[Emitted, ...], wanted: Axis) -> Emitted:
        return emitter.elementwise(base.node, list(pieces), wanted)

    return emitter.by_piece(at, operands, tokens, work)


def lift_unary(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """A function of one operand; further inputs, such as the bounds of Clip, are parameters."""
    source = node.inputs[0]
    assert source is not None
    operand = lifter.operand(source, layout)
    zero = ~operand.value.support() if node.op_type in KEEPS_ZERO else False
    return lifter.apply(node, output, layout, [operand, *parameters_of(node)], zero_at=zero)


def emit_unary(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit a function of one operand, whatever its shape."""
    operand = emitter.pieces(base.operand(0), at)

    def work(pieces: tuple[Emitted, ...], wanted: Axis) -> Emitted:
        (piece,) = pieces
        value = (
            piece.held
            if isinstance(piece.held, ir.Value)
            else emitter.regroup(piece, tuple((t,) for t in piece.tokens))
        )
        return Emitted(
            emitter.builder.copy(base.node, [value, *base.parameters()], dims(value)), piece.tokens
        )

    return emitter.by_piece(at, [operand], (), work)


def _covers(lifter: Lifter, operand: Operand, layout: Layout) -> bool:
    """Return whether an operand has every feature of the result, so that it may stand for it."""
    have = set(lifter.axes.flat(operand.layout))
    return all(f in have or f.is_row for axis in lifter.axes.layout(layout) for f in axis)


def _row_scale(lifter: Lifter, operands: list[Operand], rows: Axis) -> tuple[Combination, Operand] | None:
    """Return the second operand times a known number per row, if that is what the first one is."""
    known, other = operands
    if not lifter.axes.rows(known.layout):
        return None
    scale = _known_rows(lifter, known.value)
    return None if scale is None else (other.value.moved(RowMap.diagonal(scale), rows), other)


def _known_rows(lifter: Lifter, value: Combination) -> npt.NDArray[np.float64] | None:
    """Return one number per row of a combination of constants that are the same for all features of a row."""
    if not all(isinstance(term.base, Constant) for term in value.terms):
        return None
    total = np.zeros(size_of(value.rows))
    for term in value.terms:
        base = cast(Constant, term.base)
        numbers = rows_first(lifter.axes, base.array, base.layout)
        if (numbers != numbers[:, :1]).any():
            return None
        total += term.map.matrix @ numbers[:, 0].astype(np.float64)
    return total


def _partial_sum(node: ir.Node, operands: list[Operand], rows: Axis) -> Combination | None:
    """Return an addition as a combination if some operand lacks rows or two add rows of one work; else it is work."""
    if not any(_is_sparse(operand.value) for operand in operands) and not _share_work(operands):
        return None
    total = operands[0].value
    for operand in operands[1:]:
        sign = RowMap.diagonal(np.full(size_of(rows), -1.0 if node.op_type == "Sub" else 1.0))
        total += operand.value.moved(sign, rows)
    return total


def _share_work(operands: list[Operand]) -> bool:
    """Return whether two operands are rows of the same work, as those of two cameras that see the same queries."""
    found = [
        {id(t.base) for t in each.value.terms if isinstance(t.base, Apply | Prefix)} for each in operands
    ]
    return any(one & other for one, other in combinations(found, 2))


def _is_sparse(value: Combination) -> bool:
    """Return whether rows are missing for another reason than that a constant happens to be zero there."""
    known = bool(value.terms) and all(isinstance(term.base, Constant) for term in value.terms)
    return not known and not value.support().all()


def _choice(lifter: Lifter, operands: list[Operand], layout: Layout, rows: Axis) -> Combination | None:
    """Return Where with a known condition per row as the sum of its two masked branches."""
    condition, yes, no = operands
    flags = _known_rows(lifter, condition.value)
    if flags is None:
        return None
    masked = []
    for branch, kept in ((yes, flags != 0), (no, flags == 0)):
        part = branch.value.moved(RowMap.diagonal(kept), rows)
        if part.terms and not _covers(lifter, branch, layout):
            return None
        masked.append(part)
    return masked[0] + masked[1]


def _zero_rows(op_type: str, zero: list[Bools]) -> Bools:
    if op_type in ANY_ZERO:
        return np.asarray(np.logical_or.reduce(zero))
    if op_type in ALL_ZERO:
        return np.asarray(np.logical_and.reduce(zero))
    if op_type == "Where":
        condition, yes, no = zero
        return no & (condition | yes)
    return zero[0] if op_type == "Div" else np.zeros_like(zero[0])


RULES: dict[str, RowRule] = {
    **dict.fromkeys(of("elementwise"), RowRule(lift_elementwise, emit_elementwise)),
    **dict.fromkeys(of("unary"), RowRule(lift_unary, emit_unary)),
}
