"""Nodes that compute the same from the same: a compiler keeps one of them, a model as it was written has them all."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator

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
    equals: dict[int, set[str]] = defaultdict(set)
    for node, number in _numbered(graph, graph.initializers.values()):
        equals[number].add(str(node.name))
    return frozenset(names).union(*(group for group in equals.values() if not group.isdisjoint(names)))


def distinct(nodes: Iterable[ir.Node]) -> list[ir.Node]:
    """Return the nodes that compute what no node before them computes from the same values.

    Args:
        nodes: Some nodes of a graph, in its order.
    """
    several = list(nodes)
    constants = dict.fromkeys(
        value for node in several for value in node.inputs if value is not None and value.const_value
    )
    first: dict[int, ir.Node] = {}
    for node, number in _numbered(several, constants):
        first.setdefault(number, node)
    return list(first.values())


def _numbered(nodes: Iterable[ir.Node], constants: Iterable[ir.Value]) -> Iterator[tuple[ir.Node, int]]:
    """Yield every node with a number that equal nodes have in common."""
    numbers: dict[Hashable, int] = {}
    known: dict[ir.Value | None, int] = {}
    for value in constants:
        known[value] = numbers.setdefault(_content(value), len(numbers))
    for node in nodes:
        reads = tuple(known.setdefault(value, -1 - len(known)) for value in node.inputs)
        number = numbers.setdefault(_work(node, reads), len(numbers))
        yield node, number
        for index, value in enumerate(node.outputs):
            known[value] = numbers.setdefault((number, index), len(numbers))


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
