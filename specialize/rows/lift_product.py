"""Lift rule of products with a known sparse matrix from the left: a one-hot matrix that pools or picks rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from scipy import sparse

from specialize.graph.declined import Declined
from specialize.graph.shapes import STANDARD, dims
from specialize.rows.axes import Layout, row_ids
from specialize.rows.expr import Combination
from specialize.rows.lift import Lifter, array_of
from specialize.rows.rowmap import RowMap

MOST_FILLED = 1 / 8
"""Share of a matrix that may differ from zero: a product with a fuller one is best left as it is."""


def sparse_matrix(node: ir.Node) -> npt.NDArray[np.generic] | None:
    """Return the known sparse matrix that a MatMul multiplies rows by from the left; None if it does something else."""
    matrix = array_of(node.inputs[0]) if node.op_type == "MatMul" and node.domain in STANDARD else None
    if matrix is None or matrix.ndim != 2 or not matrix.size or len(dims(node.outputs[0])) < 2:
        return None
    return matrix if np.count_nonzero(matrix) <= MOST_FILLED * matrix.size else None


def product(lifter: Lifter, node: ir.Node, layout: Layout) -> Combination | Declined:
    """Return rows that are sums of other rows, by the entries of a known matrix."""
    matrix, source = sparse_matrix(node), node.inputs[1]
    if matrix is None or source is None:
        return Declined("dense-matrix", "no known sparse matrix stands on the side of the rows")
    axes, axis = lifter.axes, len(layout) - 2
    own = (*layout[:axis], axes.row_like(layout[axis], dims(source)[axis]), layout[-1])
    into, out_of = row_ids(axes, layout), row_ids(axes, own)
    row, column = np.nonzero(matrix)
    targets, sources = into.take(row, axis=axis), out_of.take(column, axis=axis)
    scales = matrix[row, column].astype(np.float64)[:, None]  # axis 1 from the end is that of features
    entries = (np.broadcast_to(scales, targets.shape).ravel(), (targets.ravel(), sources.ravel()))
    rows = RowMap.of(sparse.csr_array(entries, shape=(into.size, out_of.size)))
    return lifter.lift(source, own).moved(rows, axes.rows(layout))
