"""The program once more as a static ONNX graph, for runtimes on the car that are not C++.

Every instruction becomes operators of single elements in the same order, so that a runtime has no sum to reorder and
nothing to fuse: a product of matrices is slices, products and sums of two. Rows are found with a TopK of fixed size,
and a query's places with a CumSum; points are sorted by one TopK. There is no NonZero, and every shape is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from specialize.binding.relink.assemble import INT64, Array, Assembler, Draft, NotPortableError
from specialize.binding.relink.graph_rows import pairs_of, places_of
from specialize.binding.relink.graph_sorting import Sorted, inverse, sort
from specialize.binding.relink.nodes import cast, const, graph_of, ints, op, shaped, sliced, typed
from specialize.binding.relink.program import DTYPES, INPUTS, Binary, Reduce, Unary
from specialize.binding.relink.strides import Shape, contiguous

FITS = "fits"
MOST_TERMS = 64
"""Of a sum or an extremum that is written out."""

_BINARY = {
    Binary.ADD: "Add", Binary.SUB: "Sub", Binary.MUL: "Mul", Binary.DIV: "Div", Binary.MOD: "Mod",
    Binary.GREATER: "Greater", Binary.LESS: "Less", Binary.GREATER_EQUAL: "GreaterOrEqual",
    Binary.LESS_EQUAL: "LessOrEqual", Binary.EQUAL: "Equal", Binary.AND: "And", Binary.OR: "Or",
}  # fmt: skip
_UNARY = {Unary.NOT: "Not", Unary.NEG: "Neg", Unary.ABS: "Abs", Unary.SQRT: "Sqrt", Unary.FLOOR: "Floor"}


@dataclass(slots=True)
class Recorder(Assembler):
    """Makes a program and a graph of the same at once.

    Attributes:
        values: What an array is in the graph, by slot; none where something on the way cannot be written.
        lost: Why the first such thing cannot.
    """

    values: dict[int, ir.Value] = field(default_factory=dict)
    lost: str = ""
    _fitting: list[ir.Value] = field(default_factory=list)
    _by_cell: dict[tuple[int, int], Sorted] = field(default_factory=dict)

    def model(self, outputs: dict[str, int]) -> ir.Model:
        """Return a graph with some arrays as outputs, and whether the calibration fits.

        Raises:
            NotPortableError: One of them cannot be written.
        """
        missing = [
            name for name, slot in outputs.items() if slot not in self.values and slot not in self.constants
        ]
        if missing:
            raise NotPortableError(f"table {missing[0]!r} as a graph: {self.lost}")
        found = {
            name: op("Identity", self._value(self.drafts[slot])) for name, slot in sorted(outputs.items())
        }
        fits = const(np.array(True))
        for each in self._fitting:
            fits = op("And", fits, each)
        found[FITS] = op("Identity", fits)
        for name, value in found.items():
            value.name = name
        shapes = {name: self.drafts[slot] for name, slot in outputs.items()}
        for name, draft in shapes.items():
            found[name].shape, found[name].type = ir.Shape(draft.shape), typed(draft.dtype)
        found[FITS].shape, found[FITS].type = ir.Shape(()), ir.TensorType(ir.DataType.BOOL)
        return graph_of(
            [self._value(self.drafts[number]) for number in range(len(INPUTS))], list(found.values())
        )

    # ---- What the assembler does, and the same as operators ----------------------------------------------------

    def reshape(self, a: Draft, shape: Sequence[int]) -> Draft:
        """As the assembler."""
        draft = Assembler.reshape(self, a, shape)
        return self._keep(draft, [a], lambda: shaped(self._value(a), draft.shape))

    def binary(self, function: Binary, a: Draft, b: Draft) -> Draft:
        """As the assembler."""
        draft = Assembler.binary(self, function, a, b)
        return self._keep(draft, [a, b], lambda: self._function(function, a, b))

    def unary(self, function: Unary, a: Draft, dtype: int | None = None) -> Draft:
        """As the assembler."""
        draft = Assembler.unary(self, function, a, dtype)
        return self._keep(draft, [a], lambda: self._of_one(function, a, draft.dtype))

    def where(self, condition: Draft, a: Draft, b: Draft) -> Draft:
        """As the assembler."""
        draft = Assembler.where(self, condition, a, b)
        return self._keep(draft, [condition, a, b], lambda: op("Where", *map(self._value, (condition, a, b))))

    def copy(
        self, a: Draft, shape: Sequence[int], strides: Sequence[int], offset: int = 0, target: Draft | None = None,
        at: int = 0, target_strides: Sequence[int] | None = None,
    ) -> Draft:  # fmt: skip
        """As the assembler."""
        draft = Assembler.copy(self, a, shape, strides, offset, target, at, target_strides)
        return self._keep(draft, [a], lambda: self._moved(a, tuple(shape), tuple(strides), offset))

    def concat(self, parts: Sequence[Draft], axis: int) -> Draft:
        """As the assembler."""
        draft = Assembler.concat(self, parts, axis)
        return self._keep(draft, parts, lambda: op("Concat", *map(self._value, parts), axis=axis))

    def matmul(self, a: Draft, b: Draft) -> Draft:
        """As the assembler."""
        draft = Assembler.matmul(self, a, b)
        return self._keep(draft, [a, b], lambda: self._product(a, b))

    def reduce(self, function: Reduce, a: Draft, axis: int) -> Draft:
        """As the assembler."""
        draft = Assembler.reduce(self, function, a, axis)
        return draft if draft is a else self._keep(draft, [a], lambda: self._reduced(function, a, axis))

    def take(self, a: Draft, index: Draft, axis: int = 0) -> Draft:
        """As the assembler."""
        draft = Assembler.take(self, a, index, axis)

        def gathered() -> ir.Value:
            return op("Gather", self._value(a), shaped(self._value(index), (-1,)), axis=axis)

        return self._keep(draft, [a, index], gathered)

    def rows(self, mask: Draft, lengths: Sequence[int]) -> Draft:
        """As the assembler."""
        draft = Assembler.rows(self, mask, lengths)

        def pairs() -> ir.Value:
            found, wanted = pairs_of(self._value(mask), mask.shape[0], mask.shape[1], lengths)
            self._require(wanted, np.array(lengths, np.int64))
            return found

        return self._keep(draft, [mask], pairs)

    def back(self, mask: Draft, lengths: Sequence[int], fan_in: int) -> Draft:
        """As the assembler."""
        draft = Assembler.back(self, mask, lengths, fan_in)

        def places() -> ir.Value:
            found, wanted = places_of(self._value(mask), mask.shape[0], mask.shape[1], lengths, fan_in)
            self._require(wanted, np.array(fan_in, np.int64))
            return found

        return self._keep(draft, [mask], places)

    def inverse(self, a: Draft) -> Draft:
        """As the assembler."""
        draft = Assembler.inverse(self, a)
        return self._keep(
            draft, [a], lambda: shaped(inverse(self._value(a), math.prod(a.shape) // 16), a.shape)
        )

    def count(self, a: Draft, cells: int, most: int) -> Draft:
        """As the assembler."""
        draft = Assembler.count(self, a, cells, most)

        def counts() -> ir.Value:
            whole = self._sorted(a, cells).counts
            own = sliced(whole, (cells + 1,), [(0, cells, 1)])
            self._require(own, np.array(most, np.int64))
            return own

        return self._keep(draft, [a], counts)

    def cut(self, a: Draft, cells: int, blocks: int, size: int) -> Draft:
        """As the assembler."""
        draft = Assembler.cut(self, a, cells, blocks, size)

        def places() -> ir.Value:
            put, needed = self._sorted(a, cells).cut(blocks, size)
            self._require(needed, np.array(blocks, np.int64))
            return shaped(put, draft.shape)

        return self._keep(draft, [a], places)

    def listed(self, a: Draft, cells: int, width: int, spare: int) -> Draft:
        """As the assembler."""
        draft = Assembler.listed(self, a, cells, width, spare)
        return self._keep(
            draft, [a], lambda: shaped(self._sorted(a, cells).listed(width, spare), draft.shape)
        )

    def _sorted(self, a: Draft, cells: int) -> Sorted:
        if (a.number, cells) not in self._by_cell:
            row, size = shaped(self._value(a), (-1,)), math.prod(a.shape)
            self._by_cell[a.number, cells] = sort(row, size, cells)
        return self._by_cell[a.number, cells]

    # ---- Operators ---------------------------------------------------------------------------------------------

    def _function(self, function: Binary, a: Draft, b: Draft) -> ir.Value:
        x, y = self._value(a), self._value(b)
        if function in (Binary.MIN, Binary.MAX):
            return op("Where", op("Less" if function is Binary.MIN else "Greater", x, y), x, y)
        if function is Binary.DIV and a.dtype <= INT64:
            x = op("Sub", x, op("Mod", x, y))  # towards minus infinity
        return op(_BINARY[function], x, y)

    def _of_one(self, function: Unary, a: Draft, dtype: int) -> ir.Value:
        if function is Unary.CAST:
            return cast(self._value(a), dtype)
        if function is Unary.RECIPROCAL:
            return op("Div", const(np.ones((), DTYPES[dtype])), self._value(a))
        return op(_UNARY[function], self._value(a))

    def _moved(self, a: Draft, shape: Shape, strides: Shape, offset: int) -> ir.Value:
        """Return elements in another order: a slice, then a transpose, then repetitions."""
        steps, starts = contiguous(a.shape), []
        for step in steps:
            starts.append(offset // step)
            offset %= step
        axes: list[int] = []
        bounds = [(start, start + 1, 1) for start in starts]
        for size, stride in zip(shape, strides, strict=True):
            if size == 1 or stride == 0:
                continue
            fitting = [
                axis for axis, step in enumerate(steps)
                if axis not in axes and stride % step == 0
                and 0 <= starts[axis] + (size - 1) * (stride // step) < a.shape[axis]
            ]  # fmt: skip
            if not fitting:
                raise NotPortableError("elements in an order that is not a transpose")
            axis, pace = fitting[0], stride // steps[fitting[0]]
            axes.append(axis)
            bounds[axis] = (starts[axis], starts[axis] + size * pace, pace)
        cut = sliced(self._value(a), a.shape, bounds)
        order = [*axes, *(axis for axis in range(len(a.shape)) if axis not in axes)]
        turned = op("Transpose", cut, perm=order) if order != sorted(order) else cut
        kept = tuple(1 if stride == 0 else size for size, stride in zip(shape, strides, strict=True))
        placed = shaped(turned, kept)
        return placed if kept == shape else op("Expand", placed, ints(shape))

    def _product(self, a: Draft, b: Draft) -> ir.Value:
        total = None
        for k in range(a.shape[-1]):
            x = self._part(a, len(a.shape) - 1, k)
            term = op("Mul", x, self._part(b, len(b.shape) - 2, k))
            total = term if total is None else op("Add", total, term)
        assert total is not None
        return total

    def _reduced(self, function: Reduce, a: Draft, axis: int) -> ir.Value:
        if a.shape[axis] > MOST_TERMS:
            raise NotPortableError(f"a reduction of {a.shape[axis]} elements")
        parts = [self._part(a, axis, place) for place in range(a.shape[axis])]
        total = parts[0]
        for part in parts[1:]:
            if function is Reduce.SUM:
                total = op("Add", total, part)
            elif DTYPES[a.dtype].kind == "b":
                total = op("Or" if function is Reduce.MAX else "And", total, part)
            else:
                other = op("Greater" if function is Reduce.MAX else "Less", part, total)
                total = op("Where", other, part, total)
        return total

    def _require(self, wanted: ir.Value, kept: Array) -> None:
        """Note that a calibration fits only if nothing is more than what there is room for."""
        over = op("Cast", op("Greater", wanted, const(kept)), to=int(ir.DataType.INT64))
        count = op("ReduceSum", over, keepdims=0)
        self._fitting.append(op("Equal", count, const(np.array(0, np.int64))))

    # ---- Nodes -------------------------------------------------------------------------------------------------

    def _keep(self, draft: Draft, sources: Sequence[Draft], make: Callable[[], ir.Value]) -> Draft:
        known = all(each.number in self.values or each.number in self.constants or each.number < len(INPUTS)
                    for each in sources)  # fmt: skip
        if draft.number not in self.constants and known:
            try:
                self.values[draft.number] = make()
            except NotPortableError as error:
                self.lost = self.lost or str(error)
        return draft

    def _value(self, draft: Draft) -> ir.Value:
        number = draft.number
        if number not in self.values:
            if number in self.constants:
                self.values[number] = const(self.constants[number])
            else:
                self.values[number] = ir.Value(
                    name=INPUTS[number], shape=ir.Shape(draft.shape), type=typed(draft.dtype)
                )
        return self.values[number]

    def _part(self, a: Draft, axis: int, place: int) -> ir.Value:
        bounds = [
            (place, place + 1, 1) if each == axis else (0, size, 1) for each, size in enumerate(a.shape)
        ]
        return sliced(self._value(a), a.shape, bounds)
