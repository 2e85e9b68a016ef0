"""Lift: read a tensor of the graph as a combination of row maps, walking backward from where rows are dropped.

Every operator has a rule (`rows/ops/`), which returns what an output with a given layout is in terms of the inputs: a
row map of one of them, or a row-wise function of all of them. Where no rule applies, a tensor is a source: its rows are
read as they are, and nothing above it is reduced.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph import shapes
from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.ops import VIEWS
from specialize.rows.axes import Axes, Axis, Factor, Layout, by_row
from specialize.rows.expr import Apply, Combination, Constant, Operand, Parameter, Source, Term, combination
from specialize.rows.prefix_sums import multiplied_out
from specialize.rows.rowmap import RowMap

Lift = Callable[["Lifter", ir.Node, int, Layout], Combination | Declined]
"""Returns what an output of a node with that layout is, or why that is not known."""

ROWS_AND_FEATURES = Declined("rows-and-features", "the axis that it works along holds rows and features")

ZEROS_SHOW_THROUGH = VIEWS | {
    *(
        "Mul",
        "And",
        "Cast",
        "Transpose",
        "Expand",
        "Slice",
        "Split",
        "Gather",
        "ReduceMax",
        "ReduceSum",
        "ReduceMean",
    )
}
"""Operators that are looked through for rows of zeros even if their results are computed for all rows anyway."""

DEEPEST = 150
"""Nodes on one path after which a tensor is taken as it is; real sites are a fifth of that."""


class Lifter:
    """Lifts the tensors above one sink.

    Args:
        axes: Where factors are kept.
        rules: Operator type to rule.
        alive: Nodes that are computed for all their rows anyway, whatever is done about the sink.
    """

    def __init__(self, axes: Axes, rules: Mapping[str, Lift], alive: Container[ir.Node]) -> None:
        self.axes = axes
        self.reasons: dict[ir.Value, Declined] = {}
        self._rules = rules
        self._alive = alive
        self._depth = 0
        self._seen: dict[ir.Value, list[tuple[Layout, Combination]]] = {}

    def lift(self, value: ir.Value, layout: Layout) -> Combination:
        """Return what a tensor with that layout is, over its row factors, outermost first."""
        for seen, known in self._seen.get(value, []):
            if self.axes.unify(seen, layout):
                return known
        for seen, known in self._seen.get(value, []):
            pairs = self.axes.match(seen, layout)
            if pairs is not None:
                return self._renamed(known, self.axes.rows(seen), self.axes.rows(layout), dict(pairs))
        self.axes.keep_apart(layout)
        found = self._lift(value, layout)
        self._seen.setdefault(value, []).append((layout, found))
        return found

    def consulted(self) -> Iterator[tuple[ir.Node | None, int, ir.Value]]:
        """Yield the constants that say which rows there are: reader, place among its inputs, and constant."""
        for value in self._seen:
            node = value.producer()
            if value.const_value is not None:
                yield None, 0, value
            for place, source in enumerate(node.inputs if node is not None else ()):
                if source is not None and source.const_value is not None:
                    yield node, place, source

    def holding(self, bases: Container[int]) -> set[ir.Node]:
        """Return the nodes whose results were found to hold rows of bases, given by their identities."""
        return {
            node
            for value, several in self._seen.items()
            for _, found in several
            if (node := value.producer()) and any(id(term.base) in bases for term in found.terms)
        }

    def broadcast(self, value: ir.Value, layout: Layout, rows: Axis) -> Combination:
        """Return what a tensor that may lack some of the rows is, over all of them."""
        own = self.axes.rows(layout)
        if own == self.axes.resolve(rows):
            return self.lift(value, layout)
        base = self.lift(value, layout) if array_of(value) is not None else self.source(value, layout)
        return base.moved(self.broadcast_map(own, rows), rows)

    def broadcast_map(self, own: Axis, rows: Axis) -> RowMap:
        """Return the map that repeats rows over the row factors that they lack."""
        own, rows = self.axes.resolve(own), self.axes.resolve(rows)
        ids = np.arange(size_of(own)).reshape([factor.size if factor in own else 1 for factor in rows])
        return RowMap.selection(np.broadcast_to(ids, [factor.size for factor in rows]), size_of(own))

    def source(self, value: ir.Value, layout: Layout, reason: Declined | None = None) -> Combination:
        """Return a tensor of the graph as it is."""
        rows = self.axes.rows(layout)
        if reason is not None:
            self.reasons[value] = reason
        return Combination(rows, (Term(RowMap.identity(size_of(rows)), Source(value, layout, rows)),))

    def operand(self, value: ir.Value, layout: Layout) -> Operand:
        """Return a tensor as an input of a row-wise function."""
        return Operand(self.lift(value, layout), layout, shapes.numpy_type(value))

    def apply(
        self,
        node: ir.Node,
        output: int,
        layout: Layout,
        operands: Sequence[Operand | Parameter],
        *,
        zero_at: npt.ArrayLike,
    ) -> Combination:
        """Return a row-wise function; `zero_at` marks rows whose result is known to be zero."""
        rows = self.axes.rows(layout)
        for operand in operands:
            if isinstance(operand, Operand):
                operand.value = multiplied_out(operand.value)
        base = Apply(node, tuple(operands), layout, rows, output)
        kept = ~np.broadcast_to(np.asarray(zero_at, dtype=np.bool_), size_of(rows))
        return Combination(rows, (Term(RowMap.diagonal(kept), base),))

    def _renamed(self, known: Combination, old: Axis, new: Axis, names: dict[Factor, Factor]) -> Combination:
        """Return a combination over other row factors that stand in the same places of the tensor."""
        ids = np.arange(size_of(old)).reshape([factor.size for factor in old])
        order = [[names[factor] for factor in old].index(factor) for factor in new]
        return known.moved(RowMap.selection(ids.transpose(order), ids.size), new)

    def _lift(self, value: ir.Value, layout: Layout) -> Combination:
        array = array_of(value)
        if array is not None:
            return self._constant(value, array, layout)
        node = value.producer()
        if not self.axes.rows(layout) or node is None:
            return self.source(value, layout)
        alive = node in self._alive
        if alive and node.op_type not in ZEROS_SHOW_THROUGH:
            return self.source(value, layout)
        rule = self._rules.get(node.op_type) if node.domain in (*shapes.STANDARD, "com.microsoft") else None
        if rule is None or self._depth > DEEPEST or not all(map(_usable, node.inputs)):
            return self.source(value, layout, self._why_not(node, rule))
        self._depth += 1
        found = rule(self, node, list(node.outputs).index(value), layout)
        self._depth -= 1
        if alive:
            return self._where_nonzero(self.source(value, layout), found)
        if isinstance(found, Declined):
            return self.source(value, layout, found.under(node.op_type))
        return found

    def _why_not(self, node: ir.Node, rule: Lift | None) -> Declined:
        """Return why no rule is applied to a node."""
        if rule is None:
            return Declined("no-row-rule", f"{node.op_type} has no rule for rows")
        if self._depth > DEEPEST:
            return Declined("too-deep", f"{node.op_type}: it is more than {DEEPEST} nodes away from the site")
        return Declined("shape-unknown", f"{node.op_type}: an input has a type or a shape that is not known")

    def _where_nonzero(self, source: Combination, found: Combination | Declined) -> Combination:
        """Return a tensor of the graph without the rows that what it is computed from shows to be zero."""
        support = np.ones(1) if isinstance(found, Declined) else found.support()
        return source if support.all() else source.moved(RowMap.diagonal(support), source.rows)

    def _constant(self, value: ir.Value, array: npt.NDArray[np.generic], layout: Layout) -> Combination:
        """Return a known tensor; which of its rows are all zero is how masks are seen."""
        rows = self.axes.rows(layout)
        nonzero = (rows_first(self.axes, array, layout) != 0).any(axis=1)
        base = Constant(array, layout, rows, nonzero, value)
        return combination(rows, [Term(RowMap.identity(size_of(rows)), base)])


def parameters_of(node: ir.Node) -> list[Operand | Parameter]:
    """Return the inputs of a node behind the first, which are the same for all rows."""
    return [Parameter(value) for value in node.inputs[1:]]


def rows_first(axes: Axes, array: npt.NDArray[np.generic], layout: Layout) -> npt.NDArray[np.generic]:
    """Return a known tensor as `(rows, features)`: rows outermost first, features in their order."""
    flat = axes.flat(layout)
    rows = axes.rows(layout)
    features = [index for index, factor in enumerate(flat) if not factor.is_row]
    cube = array.reshape([factor.size for factor in flat])
    return cube.transpose([flat.index(row) for row in rows] + features).reshape(size_of(rows), -1)


def _usable(value: ir.Value | None) -> bool:
    return value is None or (shapes.is_static(value) and value.dtype is not None)


def selection(axes: Axes, layout: Layout, picked: npt.NDArray[np.int64], own: Axis) -> RowMap:
    """Return the map whose row, at each place of a tensor of that layout, is the input row picked there."""
    return RowMap.selection(by_row(axes, layout, picked), size_of(own))
