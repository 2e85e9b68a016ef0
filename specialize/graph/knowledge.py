"""The values of a graph that depend on constants alone: which are known, and their contents on demand.

Values are computed by ONNX Runtime, as late as possible, in few sessions, so that nothing is computed that neither a
shape nor the rest of the graph needs; shape arithmetic is computed in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from specialize.graph import budget, running, shape_arithmetic, shapes, subgraphs

SMALL = 1024
"""Elements up to which a known value is computed together with others that shapes ask for."""


class Knowledge:
    """The values of a graph that depend on constants alone, computed on demand.

    Attributes:
        large: Nodes that could be computed but for the size of what they make, and that size in bytes.
    """

    def __init__(self, opset_imports: dict[str, int], ir_version: int) -> None:
        self._arrays: dict[ir.Value, np.ndarray] = {}
        self._pending: dict[ir.Value, None] = {}
        self._opsets = opset_imports
        self._ir_version = ir_version
        self._budget = budget.Budget()
        self.large: dict[ir.Node, int] = {}

    def __contains__(self, value: ir.Value | None) -> bool:
        """Return whether the value is known; an absent optional input is."""
        return (
            value is None or value in self._arrays or value in self._pending or value.const_value is not None
        )

    def learn(self, value: ir.Value, array: np.ndarray) -> None:
        """Record a value that needs no computation, such as a shape."""
        self._arrays[value] = array

    def defer(self, node: ir.Node) -> None:
        """Record that a node's outputs are known, without computing them yet; one without a name is not there."""
        for output in node.outputs:
            if output.name:
                self._pending[output] = None

    def get(self, value: ir.Value) -> np.ndarray:
        """Return a known value, computing it first if need be."""
        if value not in self._arrays and value in self._pending and not self._count(value):
            small = [other for other in self._pending if is_small(other)]
            self.compute([value, *small])
        return self.peek(value)

    def is_computed(self, value: ir.Value) -> bool:
        """Return whether a known value can be had without computing anything."""
        return value not in self._pending

    def peek(self, value: ir.Value) -> np.ndarray:
        """Return a value that has been computed, or a constant of the graph."""
        if value not in self._arrays:
            assert value.const_value is not None, value.name
            if value.const_value.size > SMALL:
                return value.const_value.numpy()
            self._arrays[value] = value.const_value.numpy()
        return self._arrays[value]

    def compute(self, wanted: Iterable[ir.Value]) -> None:
        """Compute the wanted values in one session of ONNX Runtime."""
        outputs = [
            value for value in dict.fromkeys(wanted) if value in self._pending and not self._count(value)
        ]
        if not outputs:
            return
        nodes, roots = self._ancestors(outputs)
        self._budget.charge(nodes)
        for value in outputs:
            self._budget.hold(value.producer(), shapes.byte_size(value) if shapes.is_static(value) else 0)
        feeds = {f"v{index}": self.peek(root) for index, root in enumerate(roots)}
        model = running.program(
            nodes, dict(zip(roots, feeds, strict=True)), feeds, outputs, self._opsets, self._ir_version
        )
        arrays = running.run(model, running.baked(model, feeds), nodes, self._budget)
        for value, array in zip(outputs, arrays, strict=True):
            self._arrays[value] = array
            del self._pending[value]

    def _count(self, value: ir.Value) -> bool:
        """Compute a value that shape arithmetic gives, and all on the way to it; return whether it does."""
        nodes, _ = self._ancestors([value])
        if not all(shape_arithmetic.can_compute(node) for node in nodes):
            return False
        self._budget.charge(nodes)
        for node in nodes:
            arrays = [self.peek(source) for source in node.inputs if source is not None]
            try:
                self._arrays[node.outputs[0]] = shape_arithmetic.compute(node, arrays)
            except shape_arithmetic.CONTRADICTIONS as error:
                place = f"node {node.name or node.op_type!r}"
                raise shapes.ShapeError(place, f"inputs that fit {node.op_type}", str(error)) from error
            del self._pending[node.outputs[0]]
        return True

    def _ancestors(self, outputs: list[ir.Value]) -> tuple[list[ir.Node], list[ir.Value]]:
        """Return the pending nodes that the outputs need, in order, and the values those start from."""
        nodes: dict[ir.Node, None] = {}
        roots: dict[ir.Value, None] = {}
        stack: list[tuple[ir.Value, bool]] = [(value, False) for value in reversed(outputs)]
        while stack:
            value, done = stack.pop()
            node = value.producer()
            if value not in self._pending or node is None:
                roots[value] = None
            elif done:
                nodes[node] = None
            elif node not in nodes:
                stack.append((value, True))
                stack.extend((other, False) for other in reversed(subgraphs.node_reads(node)))
        return list(nodes), list(roots)


def is_small(value: ir.Value) -> bool:
    """Return whether a value is known to be small."""
    return shapes.is_static(value) and math.prod(shapes.dims(value)) <= SMALL
