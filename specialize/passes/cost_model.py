"""Cost model: what nodes cost, to tell whether working on fewer rows is cheaper than working on all.

Picking rows moves them once more than computing them where they are. Where most are kept and little is done with each
(a view transform that pools depth times features), picking costs more than it saves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx_ir as ir

from specialize.graph.ops import PRODUCTS, VIEWS
from specialize.graph.shapes import byte_size, dims, is_static
from specialize.rows.ops.products import FLOPS_PER_BYTE

PICKS = frozenset({"Gather", "Slice"})


def cost(nodes: Iterable[ir.Node]) -> int:
    """Return the operations of some nodes, and of the bytes that they move `FLOPS_PER_BYTE` each."""
    return sum(
        _operations(node) + FLOPS_PER_BYTE * _moved(node) for node in nodes if node.op_type not in VIEWS
    )


def superseded(*nodes: ir.Node) -> list[ir.Node]:
    """Return nodes and all that is computed for them alone: what goes if their results come from elsewhere."""
    found = dict.fromkeys(nodes)
    stack = list(nodes)
    while stack:
        for value in stack.pop().inputs:
            made = None if value is None else value.producer()
            if made is not None and made not in found and _only_read_by(made, found):
                found[made] = None
                stack.append(made)
    return list(found)


def _only_read_by(node: ir.Node, readers: dict[ir.Node, None]) -> bool:
    return all(
        not value.is_graph_output() and all(reader in readers for reader, _ in value.uses())
        for value in node.outputs
    )


def _operations(node: ir.Node) -> int:
    """Return one operation per element of the results; of products two per element and summand, of samples eight."""
    elements = sum(math.prod(dims(value)) for value in node.outputs if is_static(value))
    first = node.inputs[0] if node.inputs else None
    if node.op_type == "GridSample":  # four corners, each multiplied and added
        return 8 * elements
    if node.op_type in PRODUCTS and first is not None and is_static(first):
        return 2 * elements * dims(first)[-1]
    return elements


def _moved(node: ir.Node) -> int:
    """Return the bytes that a node reads and writes, each once; of what it picks from no more than it picks."""
    written = sum(byte_size(value) for value in node.outputs if is_static(value))
    read = [byte_size(value) for value in node.inputs if value is not None and is_static(value)]
    if node.op_type in PICKS and read:
        read[0] = min(read[0], written)
    return written + sum(read)
