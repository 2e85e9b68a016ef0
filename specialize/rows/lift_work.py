"""Lift rules of row-wise functions, f(S x) = S f(x): products with weights, softmax over features, element-wise work.

A rule also says where the result must be zero because its operands are: that is how a mask that multiplies the
query, or a superset that is ANDed into a mask, reaches the sum over cameras.
"""

from __future__ import annotations

from itertools import combinations
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.ops import ALL_ZERO, ANY_ZERO, KEEPS_ZERO, OPERATORS, of
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.axes import Axis, Layout, size_of
from specialize.rows.expr import Apply, Combination, Constant, Operand, Parameter, Prefix
from specialize.rows.lift import Lifter, Rule, node_axis, numbers_of, opset_of, rows_first
from specialize.rows.lift_moves import is_feature_axis, is_row_axis
from specialize.rows.lift_product import product, sparse_matrix
from specialize.rows.rowmap import RowMap

Bools = npt.NDArray[np.bool_]

ROWS_BESIDE_FEATURES = Declined("rows-in-the-weight", "rows stand on the side of its weight")


def elementwise(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
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


def unary(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """A function of one operand; further inputs, such as the bounds of Clip, are parameters."""
    source = node.inputs[0]
    assert source is not None
    value = lifter.lift(source, layout)
    zero = ~value.support() if node.op_type in KEEPS_ZERO else False
    rest = [Parameter(other) for other in node.inputs[1:]]
    return lifter.apply(
        node, output, layout, [Operand(value, layout, numpy_type(source)), *rest], zero_at=zero
    )


def matmul(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """MatMul with a weight of rank 2 on the feature side, or with a known sparse matrix on that of the rows."""
    left, right = node.inputs[0], node.inputs[1]
    assert left is not None and right is not None
    if (
        sparse_matrix(node) is not None
        and len(dims(right)) == len(layout)
        and is_row_axis(lifter.axes, layout[-2])
    ):
        return product(lifter, node, layout)
    if len(dims(right)) != 2 or len(dims(left)) < 2:
        return Declined("no-weight", "its second operand is no matrix that all rows are multiplied by")
    if not is_feature_axis(lifter.axes, layout[-1]):
        return ROWS_BESIDE_FEATURES
    own = (*layout[:-1], lifter.axes.feature(dims(left)[-1]))
    value = lifter.lift(left, own)
    operands: list[Operand | Parameter] = [Operand(value, own, numpy_type(left)), Parameter(right)]
    return lifter.apply(node, output, layout, operands, zero_at=~value.support())


def gemm(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Gemm whose rows are on its first axis and whose bias is the same for all rows."""
    left, right = node.inputs[0], node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    transposed = "transA" in node.attributes and node.attributes["transA"].as_int()
    if left is None or right is None or transposed:
        return Declined("no-weight", "its first operand is transposed")
    if not is_feature_axis(lifter.axes, layout[1]):
        return ROWS_BESIDE_FEATURES
    if bias is not None and len(dims(bias)) == 2 and dims(bias)[0] != 1:
        return Declined("bias-per-row", "its bias differs between rows")
    own = (layout[0], lifter.axes.feature(dims(left)[1]))
    value = Operand(lifter.lift(left, own), own, numpy_type(left))
    operands: list[Operand | Parameter] = [value, Parameter(right), Parameter(bias)]
    return lifter.apply(node, output, layout, operands[: len(node.inputs)], zero_at=False)


def along_features(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Softmax and LayerNormalization over features."""
    source = node.inputs[0]
    assert source is not None
    start, end = normalized_axes(node, len(layout))
    if output:
        return Declined("statistics", "its mean or its deviation is read")
    if not all(is_feature_axis(lifter.axes, part) for part in layout[start:end]):
        return Declined("works-along-rows", "it works along an axis that holds rows")
    if any(other is not None and dims(other) != dims(source)[start:end] for other in node.inputs[1:]):
        return Declined("scale-broadcasts", "its scale or its bias is broadcast")
    value = lifter.lift(source, layout)
    rest = [Parameter(other) for other in node.inputs[1:]]
    return lifter.apply(
        node, output, layout, [Operand(value, layout, numpy_type(source)), *rest], zero_at=False
    )


def reduce(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """A reduction over features."""
    source, where = node.inputs[0], reduced_axes(node)
    if source is None or where is None:
        return Declined("axes-not-constant", "its axes are not constant, or it reduces nothing")
    own = unreduced(
        lifter, layout, dims(source), where, [lifter.axes.feature(dims(source)[axis]) for axis in where]
    )
    value = lifter.lift(source, own)
    zero = ~value.support() if OPERATORS[node.op_type].zeros == "first" else False
    return lifter.apply(node, output, layout, [Operand(value, own, numpy_type(source))], zero_at=zero)


def normalized_axes(node: ir.Node, rank: int) -> tuple[int, int]:
    """Return first and last axis (exclusive) that Softmax or LayerNormalization works along; opsets differ."""
    if node.op_type == "LayerNormalization":
        return node_axis(node, -1, rank), rank
    if opset_of(node) < 13:
        return node_axis(node, 1, rank), rank
    axis = node_axis(node, -1, rank)
    return axis, axis + 1


def aligned(layout: Layout, sizes: tuple[int, ...]) -> Layout:
    """Return the layout of a broadcast operand of the given shape."""
    tail = layout[len(layout) - len(sizes) :]
    return tuple(() if size == 1 else axis for size, axis in zip(sizes, tail, strict=True))


def reduced_axes(node: ir.Node) -> list[int] | None:
    """Return the axes of a reduction, from the front and ascending; None if there are none or they are not constant."""
    source = node.inputs[0]
    assert source is not None
    rank = len(dims(source))
    if "axes" in node.attributes:
        found = list(node.attributes["axes"].as_ints())
    elif len(node.inputs) > 1 and node.inputs[1] is not None:
        given = numbers_of(node.inputs[1])
        if given is None:
            return None
        found = list(given)
    else:
        found = []
    if (
        not found
        and "noop_with_empty_axes" in node.attributes
        and node.attributes["noop_with_empty_axes"].as_int()
    ):
        return None  # nothing is reduced
    return sorted(axis % max(1, rank) for axis in found) if found else list(range(rank))


def unreduced(
    lifter: Lifter, layout: Layout, sizes: tuple[int, ...], where: list[int], reduced: list[Axis]
) -> Layout:
    """Return the layout of the input of a reduction."""
    kept = iter(axis for place, axis in enumerate(layout) if len(layout) != len(sizes) or place not in where)
    fresh = iter(reduced)
    return tuple(next(fresh) if place in where else next(kept) for place in range(len(sizes)))


def _covers(lifter: Lifter, operand: Operand, layout: Layout) -> bool:
    """Return whether an operand has every feature of the result, so that it may stand for it."""
    have = {factor for axis in lifter.axes.layout(operand.layout) for factor in axis}
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


RULES: dict[str, Rule] = {
    **dict.fromkeys(of("elementwise"), elementwise),
    **dict.fromkeys(of("unary"), unary),
    **dict.fromkeys(of("reduce"), reduce),
    **dict.fromkeys(of("along"), along_features),
    "MatMul": matmul,
    "Gemm": gemm,
}
