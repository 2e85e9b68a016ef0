"""What a tensor is in terms of rows: a linear combination of row maps applied to what cannot be taken apart further.

    value  =  A1 base1 + A2 base2 + …        base  =  Source | Constant | Apply(node, operands) | Prefix

A `Source` is a tensor of the graph that is computed for all its rows anyway; a `Constant` is known; an `Apply` is a
row-wise function f of values that are themselves such combinations, and f(S x) = S f(x) for a selection S. A `Prefix`
is a cumulative sum over rows; it does not outlive lifting (`rows/prefix_sums.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.rows.axes import Axis, Layout
from specialize.rows.rowmap import RowMap


@dataclass(eq=False, slots=True)
class Source:
    """A tensor of the graph, taken as it is."""

    value: ir.Value
    layout: Layout
    rows: Axis


@dataclass(eq=False, slots=True)
class Constant:
    """A known tensor; `nonzero` tells which of its rows are not all zero, (rows,)."""

    array: npt.NDArray[np.generic]
    layout: Layout
    rows: Axis
    nonzero: npt.NDArray[np.bool_]
    value: ir.Value | None = None


@dataclass(eq=False, slots=True)
class Operand:
    """An input of a row-wise function: what it is, and how its axes are laid out there."""

    value: Combination
    layout: Layout
    dtype: np.dtype[np.generic]


@dataclass(eq=False, slots=True)
class Parameter:
    """An input of a row-wise function that is the same for all rows, or, with `layout`, for all rows of a group."""

    value: ir.Value | None
    layout: Layout = ()


@dataclass(eq=False, slots=True)
class Apply:
    """A row-wise function: one node of the graph, with its operands."""

    node: ir.Node
    operands: tuple[Operand | Parameter, ...]
    layout: Layout
    rows: Axis
    output: int = 0

    def operand(self, index: int) -> Operand:
        """Return an input that rows differ in."""
        found = self.operands[index]
        assert isinstance(found, Operand)
        return found

    def parameters(self) -> list[ir.Value | None]:
        """Return the inputs that are the same for all rows, or for all of a group."""
        return [operand.value for operand in self.operands if isinstance(operand, Parameter)]


@dataclass(eq=False, slots=True)
class Prefix:
    """Sums of the rows before each row of a line, until it is known which differences of them are read.

    Attributes:
        value: The tensor of the graph that holds the sums.
        layout: Its layout.
        rows: Its row factors, outermost first.
        operand: What is summed, over the same rows.
        line: The line of every row, (rows,).
        place: Where on its line a row stands, counted in the direction of the sum, (rows,).
        inclusive: Whether a row's own value is part of its sum.
    """

    value: ir.Value
    layout: Layout
    rows: Axis
    operand: Combination
    line: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    inclusive: bool


Base = Source | Constant | Apply | Prefix


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One summand: a base and where its rows go."""

    map: RowMap
    base: Base

    def support(self) -> npt.NDArray[np.bool_]:
        """Return which rows of the result may differ from zero."""
        if isinstance(self.base, Constant):
            return np.asarray((abs(self.map.matrix) @ self.base.nonzero.astype(np.float64)) > 0)
        return self.map.support()


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """A sum of row maps of bases; rows that no term reaches are zero.

    Attributes:
        rows: Row factors of the result, outermost first.
        terms: Summands, at most one per base.
    """

    rows: Axis
    terms: tuple[Term, ...]

    def support(self) -> npt.NDArray[np.bool_]:
        """Return which rows may differ from zero."""
        found = np.zeros(int(np.prod([f.size for f in self.rows], dtype=np.int64)), dtype=np.bool_)
        for term in self.terms:
            found |= term.support()
        return found

    def moved(self, map_: RowMap, rows: Axis) -> Combination:
        """Return the combination after a further row map."""
        return combination(rows, [Term(map_ @ term.map, term.base) for term in self.terms])

    def __add__(self, other: Combination) -> Combination:
        """Return the sum of two combinations over the same rows."""
        return combination(self.rows, [*self.terms, *other.terms])


def combination(rows: Axis, terms: list[Term]) -> Combination:
    """Return a combination with terms of the same base merged and empty terms dropped."""
    merged: dict[int, Term] = {}
    for term in terms:
        known = merged.get(id(term.base))
        merged[id(term.base)] = term if known is None else Term(known.map + term.map, term.base)
    return Combination(rows, tuple(term for term in merged.values() if term.support().any()))


def demanded_rows(value: Combination) -> tuple[int, int]:
    """Return how many rows of row-wise work are demanded, and how many there are."""
    wanted = total = 0
    for term in value.terms:
        if isinstance(term.base, Apply):
            wanted += len(term.map.demanded())
            total += term.map.rows_in
    return wanted, total


def samples_groups(value: Combination) -> bool:
    """Return whether row-wise work reads what all rows of a group share, as every camera's rows read its image."""
    stack: list[Base] = [term.base for term in value.terms]
    while stack:
        base = stack.pop()
        for operand in base.operands if isinstance(base, Apply) else ():
            if isinstance(operand, Operand):
                stack.extend(term.base for term in operand.value.terms)
            elif operand.layout:
                return True
    return False
