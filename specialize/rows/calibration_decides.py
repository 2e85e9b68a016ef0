"""Whether the calibration decides which rows a sink reads, or the graph does whatever the calibration is."""

from __future__ import annotations

import numpy as np

from specialize.graph.nodes import array_of
from specialize.graph.provenance import is_bound
from specialize.rows.lift import Lifter

_COORDINATES = ((4, 4), (3, 4), (3, 3))
"""Shapes of matrices of a calibration: what a MatMul multiplies by them are coordinates."""


def is_decided(lifter: Lifter) -> bool:
    """Return whether a bound input decides an index or a mask that was consulted while lifting.

    The places of a slice that is written in place (`x[..., 0:2] += y`) are the same for every calibration: such a
    write is no site, however many rows it leaves out. Zeros in a projection or a pose are entries of a matrix, and
    leave out no row: they stand there for every vehicle.
    """
    for node, place, value in lifter.consulted():
        if not is_bound(value):
            continue
        array = array_of(value)
        if array is None:
            continue
        if node is not None and node.op_type == "MatMul" and array.shape[-2:] in _COORDINATES:
            continue
        places = node is not None and node.op_type == "GridSample" and place == 1
        if places or array.dtype.kind in "biu" or not np.all(array):
            return True
    return False
