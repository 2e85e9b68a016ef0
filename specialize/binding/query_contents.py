"""Contents of queries that are constants stay in an engine for many vehicles: of them tables name rows.

What: embedding * mask, and all that follows from it, known for every vehicle and therefore tables of whole rows
    ->  the embedding as if it were an input while the graph is compacted, so that row-wise work on it stays work.
Why it is sound: nothing is assumed about an input that does not hold for a constant; it is put back afterwards.
Needs: a graph that is folded as far as constants alone go.
Declines when: something other than floating-point numbers follows from such a constant and the calibration alone. A
    mask or an index must be known while rows are chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.closure import Closure
from specialize.graph.dependents import dependents, reads_any
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.model.spec import ModelSpec

Hidden = list[tuple[ir.Value, ir.TensorProtocol]]


@dataclass(frozen=True, slots=True)
class QueryContents:
    """Contents of queries in a graph.

    Attributes:
        model: The graph.
        hidden: Those that are hidden, with what they hold.
    """

    model: ir.Model
    hidden: Hidden

    def restore(self) -> None:
        """Make constants of them again."""
        graph = self.model.graph
        for value, content in self.hidden:
            if value in graph.inputs:
                graph.inputs.remove(value)
            value.const_value = content
            if value.uses():
                graph.initializers[str(value.name)] = value


def hide_contents(model: ir.Model, spec: ModelSpec) -> QueryContents:
    """Make inputs of the constants that hold contents of queries, in place."""
    hidden: Hidden = []
    for value in _contents(model, spec):
        content = model.graph.initializers.pop(str(value.name)).const_value
        assert content is not None
        value.const_value = None
        model.graph.inputs.append(value)
        hidden.append((value, content))
    return QueryContents(model, hidden)


def _contents(model: ir.Model, spec: ModelSpec) -> list[ir.Value]:
    """Return the constants with several numbers per query that meet values of pairs, and decide nothing else."""
    counts = {grid.grid().queries for grid in spec.grids}
    closure = Closure(model, spec.calibration_inputs)
    found: dict[ir.Value, None] = {}
    for node in closure.nodes:
        values = [value for value in node.inputs if value is not None]
        if any(value in closure and _is_wide(value, counts) for value in values):
            found.update(dict.fromkeys(each for each in values if _is_content(each, counts)))
    return [value for value in found if not _decides(model, closure, value)]


def _is_content(value: ir.Value, counts: set[int]) -> bool:
    return (
        value.is_initializer()
        and value.const_value is not None
        and _is_float(value)
        and _is_wide(value, counts)
    )


def _is_wide(value: ir.Value, counts: set[int]) -> bool:
    """Return whether a value has an axis of queries, and more numbers than those."""
    shape = tuple(dims(value)) if is_static(value) else ()
    return any(count in shape and math.prod(shape) > count for count in counts)


def _decides(model: ir.Model, closure: Closure, value: ir.Value) -> bool:
    """Return whether a mask or an index follows from a constant and the calibration."""
    reached = dependents(
        model.graph, [value], lambda node, marked: closure.reads(node) and reads_any(node, marked)
    )
    return any(each in closure and not _is_float(each) for each in reached)


def _is_float(value: ir.Value) -> bool:
    return value.dtype is not None and numpy_type(value).kind == "f"
