"""Provenance: which values of a graph a bound input decides, and which shapes.

Constants are marked where an input is bound; the mark follows every value that is computed from one, through folding,
so that a table of a slice (`x[..., 0:2] = y`) can be told from one of visible queries.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from specialize.graph.ops import COUNTS, SIZES, WRITES
from specialize.graph.subgraphs import node_reads

_VALUE, _SHAPE = "specialize.bound", "specialize.bound_shape"


def mark(value: ir.Value) -> ir.Value:
    """Say that a constant is what an input is bound to, or is made from that."""
    value.meta[_VALUE] = True
    return value


def is_bound(value: ir.Value | None) -> bool:
    """Return whether what an input is bound to decides a value."""
    return value is not None and _VALUE in value.meta


def any_bound(values: Iterable[ir.Value]) -> bool:
    """Return whether any value is marked: without one nothing was bound, and nothing is known of any constant."""
    return any(is_bound(value) for value in values)


def hand_on(node: ir.Node) -> None:
    """Mark what a node computes from marked values; nodes are to be visited in the order of the graph."""
    reads = node_reads(node)
    counts = node.op_type in COUNTS and any(is_bound(value) for value in reads)
    sized = (node.inputs[place] for place in SIZES.get(node.op_type, ()) if place < len(node.inputs))
    alike = reads[:1] if node.op_type in WRITES else reads
    shaped = counts or any(_SHAPE in value.meta for value in alike) or any(is_bound(value) for value in sized)
    decided = shaped if node.op_type in ("Shape", "Size") else any(is_bound(value) for value in reads)
    for value in node.outputs:
        if decided:
            value.meta[_VALUE] = True
        if shaped and node.op_type not in ("Shape", "Size"):
            value.meta[_SHAPE] = True


def copy_marks(old: ir.Value, new: ir.Value) -> None:
    """Let a value that stands for another one have its marks."""
    new.meta.update({key: True for key in (_VALUE, _SHAPE) if key in old.meta})
