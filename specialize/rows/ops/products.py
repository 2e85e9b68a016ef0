"""Products of two matrices: of rows with a weight, or of a known sparse matrix with rows.

A one-hot matrix that pools or picks rows is a row map; a weight on the side of the features is a row-wise function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from scipy import sparse

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.shapes import STANDARD, dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, factors_of, row_ids
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Operand, Parameter, Source
from specialize.rows.lift import Lifter, parameters_of
from specialize.rows.rowmap import RowMap
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted

MOST_FILLED = 1 / 8
"""Share of a matrix that may differ from zero: a product with a fuller one is best left as it is."""

FLOPS_PER_BYTE = 4
"""Operations that cost as much as moving one byte; measured on CPUs, and low for every accelerator."""

ROWS_BESIDE_FEATURES = Declined("rows-in-the-weight", "rows are in its weight operand")


def lift_matmul(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """MatMul with a weight of rank 2 on the feature side, or with a known sparse matrix on that of the rows."""
    left, right = node.inputs[0], node.inputs[1]
    assert left is not None and right is not None
    if sparse_matrix(node) is not None and len(dims(right)) == len(layout) and lifter.axes.is_row(layout[-2]):
        return _pooled(lifter, node, layout)
    if len(dims(right)) != 2 or len(dims(left)) < 2:
        return Declined("no-weight", "its second operand is not a matrix that all rows are multiplied by")
    if not lifter.axes.is_feature(layout[-1]):
        return ROWS_BESIDE_FEATURES
    own = (*layout[:-1], lifter.axes.feature(dims(left)[-1]))
    operand = lifter.operand(left, own)
    return lifter.apply(node, output, layout, [operand, Parameter(right)], zero_at=~operand.value.support())


def sparse_matrix(node: ir.Node) -> npt.NDArray[np.generic] | None:
    """Return the known sparse matrix that a MatMul multiplies rows by from the left; None if it does something else."""
    matrix = array_of(node.inputs[0]) if node.op_type == "MatMul" and node.domain in STANDARD else None
    if matrix is None or matrix.ndim != 2 or not matrix.size or len(dims(node.outputs[0])) < 2:
        return None
    return matrix if np.count_nonzero(matrix) <= MOST_FILLED * matrix.size else None


def _pooled(lifter: Lifter, node: ir.Node, layout: Layout) -> Combination | Declined:
    """Return rows that are sums of other rows, by the entries of a known matrix."""
    matrix, source = sparse_matrix(node), node.inputs[1]
    if matrix is None or source is None:
        return Declined("dense-matrix", "the operand on the side of the rows is not a known sparse matrix")
    axes, axis = lifter.axes, len(layout) - 2
    own = (*layout[:axis], axes.row_like(layout[axis], dims(source)[axis]), layout[-1])
    into, out_of = row_ids(axes, layout), row_ids(axes, own)
    row, column = np.nonzero(matrix)
    targets, sources = into.take(row, axis=axis), out_of.take(column, axis=axis)
    scales = matrix[row, column].astype(np.float64)[:, None]  # axis 1 from the end is that of features
    entries = (np.broadcast_to(scales, targets.shape).ravel(), (targets.ravel(), sources.ravel()))
    rows = RowMap.of(sparse.csr_array(entries, shape=(into.size, out_of.size)))
    return lifter.lift(source, own).moved(rows, axes.rows(layout))


def lift_gemm(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Gemm whose rows are on its first axis and whose bias is the same for all rows."""
    left, right = node.inputs[0], node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    transposed = "transA" in node.attributes and node.attributes["transA"].as_int()
    if left is None or right is None or transposed:
        return Declined("no-weight", "its first operand is transposed")
    if not lifter.axes.is_feature(layout[1]):
        return ROWS_BESIDE_FEATURES
    if bias is not None and len(dims(bias)) == 2 and dims(bias)[0] != 1:
        return Declined("bias-per-row", "its bias differs between rows")
    own = (layout[0], lifter.axes.feature(dims(left)[1]))
    operands = [lifter.operand(left, own), *parameters_of(node)]
    return lifter.apply(node, output, layout, operands, zero_at=False)


def emit_product(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit MatMul and Gemm on all rows at once: on the demanded rows, or on those they are picked from.

    A query that two cameras see is two rows. Working on the queries and picking rows of the result is cheaper where
    what is multiplied twice weighs more than the wider rows that are moved: `FLOPS_PER_BYTE` says how much.
    """
    operand = base.operand(0)
    out = emitter.axes.layout(base.layout)[-1]
    found = emitter.source_of(operand, at)
    if found is not None and _is_cheaper_before(emitter, found[0], operand, len(at.index), size_of(out)):
        source, index = found
        flat = emitter.axes.flat(source.layout)
        rows = emitter.axes.resolve(source.rows)
        whole = _product(emitter, base, Emitted(source.value, flat), out)
        return emitter.pick_rows(whole, rows, at.at(rows, index))
    own = emitter.substitute(operand.layout, at)
    lead = factors_of(own[:-1])
    value = emitter.regroup(emitter.operand(operand, at), (lead, own[-1]))
    return _product(emitter, base, Emitted(value, (*lead, *own[-1])), out)


def _product(emitter: Emitter, base: Apply, operand: Emitted, out: Axis) -> Emitted:
    """Return a product of all rows of a tensor with the weights of a node."""
    summed = emitter.axes.resolve(base.operand(0).layout[-1])
    lead = tuple(token for token in operand.tokens if token not in summed)
    head: Layout = () if base.node.op_type == "Gemm" else ((),)
    value = emitter.regroup(operand, (*head, lead, summed))
    shape = [*dims(value)[:-1], size_of(out)]
    return Emitted(emitter.builder.copy(base.node, [value, *base.parameters()], shape), (*lead, *out))


def _is_cheaper_before(emitter: Emitter, source: Source, operand: Operand, picked: int, width: int) -> bool:
    """Return whether a product is cheaper on all rows of the source than on the rows picked from it."""
    summed = size_of(emitter.axes.resolve(operand.layout[-1]))
    repeats = size_of(f for axis in emitter.axes.layout(operand.layout)[:-1] for f in axis if not f.is_row)
    rows, bytes_each = size_of(emitter.axes.resolve(source.rows)) * repeats, 2 * operand.dtype.itemsize
    before = 2 * rows * summed * width + FLOPS_PER_BYTE * bytes_each * picked * repeats * width
    after = 2 * picked * repeats * summed * width + FLOPS_PER_BYTE * bytes_each * picked * repeats * summed
    return before < after


RULES: dict[str, RowRule] = {
    "MatMul": RowRule(lift_matmul, emit_product),
    "Gemm": RowRule(lift_gemm, emit_product),
}
