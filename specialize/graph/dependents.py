"""Forward data flow: which values of a graph depend on some of its values, by a rule for one node.

What the calibration alone decides, what the rest of the model decides, what is zero because a mask is: each is one walk
in topological order that carries a mark from the inputs of a node to its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

import onnx_ir as ir

from specialize.graph.subgraphs import node_reads

Depends = Callable[[ir.Node, Container[ir.Value]], bool]
"""Returns whether what a node computes depends on the values that are marked so far."""


def reads_any(node: ir.Node, marked: Container[ir.Value]) -> bool:
    """Return whether a node, or a graph inside it, reads a marked value."""
    return any(value in marked for value in node_reads(node))


def dependents(
    nodes: Iterable[ir.Node], values: Iterable[ir.Value], depends: Depends = reads_any
) -> dict[ir.Value, None]:
    """Return some values and all that depend on them, in the order of the graph.

    Args:
        nodes: A graph, or a part of it, in topological order.
        values: Marked from the start.
        depends: The rule for one node.
    """
    marked = dict.fromkeys(values)
    for node in nodes:
        if depends(node, marked):
            marked.update(dict.fromkeys(node.outputs))
    return marked
