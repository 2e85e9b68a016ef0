"""The part of a graph that pools lifted points: from weights and features of pixels to sums of cells.

Found by sizes and operators, not by how the pooling is written: whatever stands between the weights of all points, the
features of all pixels and a tensor with a row per cell must move, multiply and add numbers, and do nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.knowledge import Knowledge
from specialize.graph.ops import MOVES, VIEWS
from specialize.graph.shapes import STANDARD, dims, is_static, numpy_type
from specialize.graph.subgraphs import has_subgraph

Arrays = Mapping[str, npt.NDArray[np.generic]]

_SAME = VIEWS | {"Transpose", "Cast", "Expand"}
_MOVES = MOVES | {"Where", "Cast"}
_SCALES = frozenset({"Mul", "MatMul", "Add", "Sub"})
_SUMS = frozenset({"CumSum", "MatMul", "ReduceSum", "ScatterElements", "ScatterND", "Sum", "Add"})
MOST_NODES = 20_000
"""Nodes of one pooling: more are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Pooling:
    """One pooling in a graph.

    Attributes:
        result: The sums of all cells.
        weights: A number per point.
        features: A row per pixel.
        nodes: What stands between, in no order.
        channels: Length of a row, C.
    """

    result: ir.Value
    weights: ir.Value
    features: ir.Value
    nodes: tuple[ir.Node, ...]
    channels: int

    def reads(self) -> frozenset[str]:
        """Return the names of all values that its nodes read."""
        return frozenset(str(value.name) for node in self.nodes for value in node.inputs if value is not None)

    def made(self) -> frozenset[str]:
        """Return the names of all values that its nodes compute."""
        return frozenset(str(value.name) for node in self.nodes for value in node.outputs)

    def run(self, model: ir.Model, weights: np.ndarray, features: np.ndarray, given: Arrays) -> np.ndarray:
        """Return the sums for some weights and features, and for some values that are given by name."""
        knowledge = Knowledge(dict(model.opset_imports), model.ir_version)
        for node in self.nodes:
            knowledge.defer(node)
            for value in node.inputs:
                if value is not None and str(value.name) in given:
                    knowledge.learn(value, given[str(value.name)])
        for value, array in ((self.weights, weights), (self.features, features)):
            knowledge.learn(value, np.ascontiguousarray(array.reshape(dims(value)), dtype=numpy_type(value)))
        knowledge.compute([self.result])
        return knowledge.peek(self.result)


def find_poolings(
    model: ir.Model, points: int, pixels: int, cells: int, given: Collection[str]
) -> Iterator[Pooling]:
    """Yield what may be the pooling of a graph, the first sums first.

    Args:
        model: The graph.
        points: Number of points, N * D * h * w.
        pixels: Number of pixels, N * h * w.
        cells: Number of cells.
        given: Names of inputs and constants that are known.
    """
    for node in model.graph:
        for value in node.outputs:
            if not is_static(value) or value.dtype is None:
                continue
            size = math.prod(dims(value))
            channels = size // cells
            if channels and channels * cells == size and (channels in dims(value) or channels == 1):
                for through in (False, True):
                    found = _above(value, points, pixels, channels, given, through=through)
                    if found is not None:
                        yield found
                        break


def _above(
    result: ir.Value, points: int, pixels: int, channels: int, given: Collection[str], *, through: bool
) -> Pooling | None:
    """Return the pooling that ends in a value; None if what stands above it is none.

    Sums of one part of the points may happen to have the size of all weights or features. `through` tells whether what
    is multiplied or added up is looked through even if it has such a size.
    """
    sizes = {points: "weights", pixels * channels: "features"}
    nodes: dict[ir.Node, None] = {}
    leaves: dict[str, ir.Value] = {}
    stack, seen = [result], {result}
    while stack:
        value = stack.pop()
        if value.const_value is not None or str(value.name) in given:
            continue
        node = value.producer()
        size = math.prod(dims(value)) if is_static(value) else 0
        partial = through and node is not None and node.op_type in _SUMS | _SCALES and _is_pooling(node)
        if size in sizes and value is not result and not partial and not _is_laid_out(node, size):
            if leaves.setdefault(sizes[size], value) is not value:
                return None
            continue
        if node is None or not _is_pooling(node) or len(nodes) > MOST_NODES:
            return None
        nodes[node] = None
        for other in node.inputs:
            if other is not None and other not in seen:
                seen.add(other)
                stack.append(other)
    if len(leaves) < 2 or not any(node.op_type in _SUMS for node in nodes):
        return None
    return Pooling(result, leaves["weights"], leaves["features"], tuple(nodes), channels)


def _is_laid_out(node: ir.Node | None, size: int) -> bool:
    """Return whether a node only lays out what another value of the same size holds."""
    if node is None or node.op_type not in _SAME or node.domain not in STANDARD or node.inputs[0] is None:
        return False
    source = node.inputs[0]
    return is_static(source) and math.prod(dims(source)) == size


def _is_pooling(node: ir.Node) -> bool:
    """Return whether a node moves, multiplies or adds numbers, without any of its own but zeros and ones."""
    if node.domain not in STANDARD or has_subgraph(node):
        return False
    if node.op_type in _SCALES:
        return all(
            _is_mask(value) for value in node.inputs if value is not None and value.const_value is not None
        )
    return node.op_type in _MOVES | _SUMS


def _is_mask(value: ir.Value) -> bool:
    assert value.const_value is not None
    array = value.const_value.numpy()
    return bool(((array == 0) | (array == 1)).all())
