"""Try assignments of kinds: evaluate what a graph computes from its calibration if its inputs are of certain kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from specialize.drafting.layout import Layout
from specialize.drafting.points import Transforms, Typed, is_pointlike
from specialize.drafting.rigs import rig_in_general_position
from specialize.errors import InputError
from specialize.graph.closure import Closure
from specialize.graph.dependents import dependents, reads_any
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.subgraphs import node_reads
from specialize.model.kinds import cut, matrices_of
from specialize.passes.bind import fit

_ENDS = 4
"""How many of the first and of the last values that depend on the same inputs are examined."""
_ARITHMETIC = frozenset(
    {"MatMul", "Gemm", "Einsum", "Add", "Sub", "Mul", "ReduceSum", "Concat", "Inverse", "ScatterND", "Conv"}
)
_MOST_ELEMENTS = 1 << 25
"""Values above this size are not examined."""
_DATA_DEPENDENT = frozenset({"NonZero", "Compress", "Unique", "NonMaxSuppression"})
"""Operators after which shapes depend on the calibration. No points are looked for behind them, because row counts that
an exporter recorded would fit no rig in general position.
"""

Assignment = Mapping[str, str]


class Trials:
    """A graph and rigs to try it with.

    Args:
        model: The graph, folded.
        names: Inputs that may be calibration.
        layout: How many cameras it is for, and how inputs hold their matrices.
    """

    def __init__(self, model: ir.Model, names: Sequence[str], layout: Layout) -> None:
        self.layout = layout
        self.closure = Closure(model, names)
        self.known = _shaped(self.closure)
        self.roots = _roots(self.closure)
        count = (
            1 if layout.cameras > 1 else 2
        )  # of a single camera two rigs tell what two cameras tell otherwise
        self.transforms = Transforms([rig_in_general_position(layout.cameras, seed) for seed in range(count)])
        self._pointlike = [value for value in self.known if self._is_pointlike(value)]

    def values(self, names: frozenset[str]) -> list[ir.Value]:
        """Return a few values that may hold points and depend on some of the inputs, and on no other."""
        by_roots: dict[frozenset[str], list[ir.Value]] = {}
        for value in self._pointlike:
            node = value.producer()
            if self.roots[value] <= names and (node is None or node.op_type in _ARITHMETIC):
                by_roots.setdefault(self.roots[value], []).append(value)
        return [
            value
            for values in by_roots.values()
            for value in dict.fromkeys([*values[:_ENDS], *values[-_ENDS:]])
        ]

    def groups(self) -> list[frozenset[str]]:
        """Return the sets of inputs that points are computed from together, each input in one set."""
        groups: list[frozenset[str]] = []
        for roots in (self.roots[value] for value in self._pointlike):
            joined = [group for group in groups if group & roots]
            groups = [*(group for group in groups if not group & roots), frozenset(roots).union(*joined)]
        return groups

    def typed(self, kinds: Assignment, values: Sequence[ir.Value]) -> dict[ir.Value, list[Typed]]:
        """Return the points that values hold if the inputs are of some kinds."""
        try:
            arrays = self.compute(kinds, values)
        except InputError:  # the graph does not take such matrices
            return {}
        return {
            value: found
            for value in values
            if (found := list(self.transforms.find([each[value] for each in arrays], self.layout)))
        }

    def compute(self, kinds: Assignment, values: Sequence[ir.Value]) -> list[dict[ir.Value, np.ndarray]]:
        """Return what values are, rig by rig, if the inputs are of some kinds."""
        return [
            self.closure.compute(values, {name: self._fed(name, kind, rig) for name, kind in kinds.items()})
            for rig in range(len(self.transforms.rigs))
        ]

    def pointlike(self, names: frozenset[str]) -> list[ir.Value]:
        """Return every value that may hold points and depends on some inputs alone."""
        return [value for value in self._pointlike if self.roots[value] <= names]

    def _fed(self, name: str, kind: str, rig: int) -> np.ndarray:
        value = self.closure.inputs[name]
        shape = dims(value)
        part = cut(kind, matrices_of(kind, 1.0, self.transforms.rigs[rig]), shape, self.layout.repeat(shape))
        assert part is not None, (name, kind)
        return fit(part, dims(value), numpy_type(value), name)

    def _is_pointlike(self, value: ir.Value) -> bool:
        if not is_static(value) or value.dtype is None or numpy_type(value).kind != "f":
            return False
        if value.producer() is None and value.name not in self.closure.inputs:
            return False
        shape = dims(value)
        return int(np.prod(shape)) <= _MOST_ELEMENTS and is_pointlike(shape, self.layout)


def _shaped(closure: Closure) -> list[ir.Value]:
    """Return the values of a closure whose shapes do not depend on what the calibration is."""
    behind = dependents(
        closure.nodes, (), lambda node, behind: node.op_type in _DATA_DEPENDENT or reads_any(node, behind)
    )
    return [value for value in closure.values if value not in behind]


def _roots(closure: Closure) -> dict[ir.Value, frozenset[str]]:
    """Return which inputs each value of a closure is computed from."""
    found = {value: frozenset((name,)) for name, value in closure.inputs.items()}
    for node in closure.nodes:
        reads: Iterator[frozenset[str]] = (found[value] for value in node_reads(node) if value in found)
        roots = frozenset[str]().union(*reads)
        found.update(dict.fromkeys(node.outputs, roots))
    return found
