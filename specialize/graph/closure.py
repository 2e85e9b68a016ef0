"""Closure: the values of a graph that depend on some of its inputs and on constants alone.

The calibration's share of a model: projected points, masks, counts. It can be computed for any calibration without the
rest of the model, and that is how it is known what a value is.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from specialize.graph.dependents import dependents, reads_any
from specialize.graph.folding import IMPURE, RUNNABLE
from specialize.graph.knowledge import Knowledge
from specialize.graph.shapes import STANDARD
from specialize.graph.subgraphs import has_subgraph, node_reads

Arrays = Mapping[str, np.ndarray]


class Closure:
    """What a graph computes from some of its inputs alone.

    Args:
        model: The graph; its weights are constants.
        names: The inputs.
    """

    def __init__(self, model: ir.Model, names: Iterable[str]) -> None:
        wanted = set(names)
        self.inputs = {str(value.name): value for value in model.graph.inputs if value.name in wanted}
        self.values = dependents(model.graph, self.inputs.values(), _is_decided)
        self.nodes = [node for node in model.graph if self.reads(node)]
        self._opsets, self._version = dict(model.opset_imports), model.ir_version

    def __contains__(self, value: ir.Value | None) -> bool:
        """Return whether a value is computed from the inputs and constants alone, and not from constants alone."""
        return value in self.values

    def reads(self, node: ir.Node) -> bool:
        """Return whether a node is part of the closure."""
        return bool(node.outputs) and node.outputs[0] in self.values

    def compute(
        self,
        wanted: Iterable[ir.Value],
        arrays: Arrays,
        given: Mapping[ir.Value, np.ndarray] | None = None,
    ) -> dict[ir.Value, np.ndarray]:
        """Return values for some inputs.

        Args:
            wanted: Values of the closure.
            arrays: What the inputs that the values depend on are, by name, in their shapes and types.
            given: Values that are taken to be something else than what the graph computes.
        """
        fixed = dict(given or {})
        knowledge = Knowledge(self._opsets, self._version)
        for node in self.nodes:
            if not any(value in fixed for value in node.outputs):
                knowledge.defer(node)
        for name, value in self.inputs.items():
            if name in arrays:
                knowledge.learn(value, arrays[name])
        for value, array in fixed.items():
            knowledge.learn(value, array)
        listed = list(wanted)
        knowledge.compute(listed)
        return {value: knowledge.peek(value) for value in listed}


def _is_decided(node: ir.Node, values: Container[ir.Value]) -> bool:
    """Return whether a node can be computed from some values and constants alone, and reads such a value."""
    runnable = node.domain == "com.microsoft" and node.op_type in RUNNABLE
    standard = node.domain in STANDARD and node.op_type not in IMPURE
    if not (standard or runnable) or has_subgraph(node) or not reads_any(node, values):
        return False
    return all(value in values or value.const_value is not None for value in node_reads(node))
