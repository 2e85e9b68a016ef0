"""Nodes that compute the same from the same: a compiler keeps one of them, a model as it was written has them all."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable

import numpy as np
import onnx_ir as ir

from specialize.graph.folding import IMPURE


def with_equals(graph: ir.Graph, names: Collection[str]) -> frozenset[str]:
    """Return the names of some nodes, and of all that compute the same from the same values.

    Args:
        graph: A graph in which equal nodes were not merged.
        names: Of nodes; those that the graph does not have stay.
    """
    if not names:
        return frozenset()
    numbers: dict[Hashable, int] = {}
    known: dict[ir.Value | None, int] = {}
    for value in graph.initializers.values():
        known[value] = numbers.setdefault(_content(value), len(numbers))
    equals: dict[int, set[str]] = defaultdict(set)
    for node in graph:
        reads = tuple(known.setdefault(value, -1 - len(known)) for value in node.inputs)
        number = numbers.setdefault(_work(node, reads), len(numbers))
        equals[number].add(str(node.name))
        for index, value in enumerate(node.outputs):
            known[value] = numbers.setdefault((number, index), len(numbers))
    return frozenset(names).union(*(group for group in equals.values() if not group.isdisjoint(names)))


def _content(value: ir.Value) -> Hashable:
    """Return a key by which constants differ."""
    if value.const_value is None:
        return id(value)
    array = np.ascontiguousarray(value.const_value.numpy())
    return value.const_value.dtype, array.shape, hashlib.sha256(array.data.cast("B")).digest()


def _work(node: ir.Node, reads: tuple[int, ...]) -> Hashable:
    """Return what a node computes, told by its operator, its attributes and the numbers of what it reads."""
    if node.op_type in IMPURE:
        return id(node)
    attributes = (ir.serde.serialize_attribute(each) for each in node.attributes.values())
    written = sorted(each.SerializeToString(deterministic=True) for each in attributes)
    return node.op_identifier(), len(node.outputs), tuple(written), reads
