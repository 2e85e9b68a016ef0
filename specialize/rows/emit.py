"""Emit: make the nodes that compute a combination for the demanded rows only.

Tensors keep the order of axes that the exporter chose, with one axis for the rows where the queries stood; so
nothing is transposed that was not before. Every operator is emitted in the fewest axes that tell its operands apart,
which keeps the rank at four or less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from scipy import sparse

from specialize.graph.edit import Builder
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.arrange import Arrangement, Packing, arrange
from specialize.rows.axes import Axes, Axis, Factor, Layout, size_of
from specialize.rows.expr import Apply, Base, Combination, Constant, Operand, Parameter, Source, Term
from specialize.rows.lift import rows_first
from specialize.rows.rowmap import RowMap

Ints = npt.NDArray[np.int64]

DENSE_GATHER = 4
"""Sum back by gathering while the gathered rows are at most this many times the rows that are there."""


@dataclass(frozen=True, slots=True, eq=False)
class Emitted:
    """A tensor of the specialized graph, or a known one that is not yet in it.

    Attributes:
        held: The tensor.
        tokens: What its elements are numbered by, outermost first; its shape may group them in any way.
    """

    held: ir.Value | npt.NDArray[np.generic]
    tokens: Axis


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A tensor in pieces, one per group, because what follows is done group by group and joined when it is small.

    Attributes:
        pieces: One per group that has rows; the token of all rows is replaced by that of the group's rows.
        row: The token of all rows.
        rows: The tokens of the groups' rows.
    """

    pieces: tuple[Emitted, ...]
    row: Factor
    rows: Axis


Handler = Callable[["Emitter", Apply, Arrangement], Emitted | Parts]


class Emitter:
    """Emits combinations before one node of the graph.

    Args:
        axes: Where factors are kept; nothing is lifted any more.
        builder: Makes the nodes.
        packing: How rows are packed.
        handlers: Operator type to how it is emitted.
    """

    def __init__(self, axes: Axes, builder: Builder, packing: Packing, handlers: dict[str, Handler]) -> None:
        self.axes = axes
        self.builder = builder
        self.arrangements: list[tuple[Base, Arrangement]] = []
        self._packing = packing
        self._handlers = handlers
        self._done: dict[tuple[int, Axis, bytes], Emitted | Parts] = {}

    def combine(self, terms: tuple[Term, ...], rows: Axis, features: Axis | None = None) -> Emitted:
        """Return a sum of row maps of bases, rows first: each base on its demanded rows, then summed back.

        Args:
            terms: The summands; their maps give as many rows as `rows` count.
            rows: What the rows of the result are numbered by.
            features: What else; by default as the first base is emitted.
        """
        parts, maps = [], []
        for term in terms:
            base_rows = self.axes.resolve(term.base.rows)
            at = arrange(base_rows, self._groups(term.base), term.map.demanded(), self._packing)
            for piece, row in self._pieces(self.emit(term.base, at), at):
                features = features or tuple(token for token in piece.tokens if token not in row)
                parts.append(self.regroup(piece, ((), row, features)))
            maps.append(_onto_places(term.map, at))
            self.arrangements.append((term.base, at))
        assert features is not None
        return Emitted(self._sum_back(parts, RowMap.of(sparse.hstack(maps)), features), (*rows, *features))

    def emit(self, base: Base, at: Arrangement) -> Emitted | Parts:
        """Return a base on the rows of an arrangement."""
        key = (id(base), at.tokens, at.index.tobytes())
        if key not in self._done:
            self._done[key] = self._emit(base, at)
        return self._done[key]

    def operand(self, operand: Operand, at: Arrangement, *, spread: bool = True) -> Emitted:
        """Return an operand as one tensor; see `pieces`."""
        return self.joined(self.pieces(operand, at, spread=spread))

    def pieces(self, operand: Operand, at: Arrangement, *, spread: bool = True) -> Emitted | Parts:
        """Return an operand on the rows of an arrangement; one that is the same for all rows only if `spread`."""
        value = operand.value
        terms = tuple(Term(term.map.take_rows(at.index), term.base) for term in value.terms)
        terms = tuple(term for term in terms if term.map.matrix.nnz)
        summands = [term.map.as_scaled_selection() for term in terms]
        if len(terms) == 1 and summands[0] is not None and not terms[0].base.rows and not spread:
            return self.scaled(self._whole(terms[0].base), summands[0][1], at)
        if terms and all(summand is not None for summand in summands):
            lone = not any(term.base.rows for term in terms)
            if len(terms) == 1 and summands[0] is not None and (summands[0][1] == 1.0).all():
                return self._picked(terms[0].base, summands[0][0], at, spread=lone)
            parts = [
                self.scaled(self._picked(term.base, summand[0], at, spread=lone), summand[1], at)
                for term, summand in zip(terms, summands, strict=True) if summand is not None
            ]  # fmt: skip
            return self.added(parts)
        features = tuple(f for axis in self.axes.layout(operand.layout) for f in axis if not f.is_row)
        if not terms:
            tokens = (*at.tokens, *features)
            return Emitted(np.zeros([token.size for token in tokens], dtype=operand.dtype), tokens)
        return self.combine(terms, at.tokens, features)

    def joined(self, emitted: Emitted | Parts) -> Emitted:
        """Return a tensor in one piece."""
        if isinstance(emitted, Emitted):
            return emitted
        first = emitted.pieces[0].tokens
        place = first.index(emitted.rows[0])
        before, after = first[:place], first[place + 1 :]
        values = [
            self.regroup(piece, (before, (row,), after)) for piece, row in zip(emitted.pieces, emitted.rows, strict=True)
        ]
        shape = [size_of(before), emitted.row.size, size_of(after)]
        return Emitted(self.builder.node("Concat", values, shape, axis=1), (*before, emitted.row, *after))

    def split(self, emitted: Emitted | Parts, at: Arrangement) -> tuple[Emitted, ...]:
        """Return a tensor in one piece per group that has rows."""
        if isinstance(emitted, Parts):
            return emitted.pieces
        if at.row not in emitted.tokens:
            return (emitted,) * len(at.parts)
        place = emitted.tokens.index(at.row)
        before, after = emitted.tokens[:place], emitted.tokens[place + 1 :]
        sizes = [part.size for part in at.parts]
        if isinstance(emitted.held, np.ndarray):
            cube = emitted.held.reshape([size_of(before), at.row.size, size_of(after)])
            held: list[ir.Value | npt.NDArray[np.generic]] = list(np.split(cube, np.cumsum(sizes)[:-1], axis=1))
        else:
            value = self.regroup(emitted, (before, (at.row,), after))
            shapes = [[size_of(before), size, size_of(after)] for size in sizes]
            lengths = self.builder.constant(np.array(sizes, dtype=np.int64), "sizes")
            held = list(self.builder.nodes("Split", [value, lengths], shapes, axis=1))
        return tuple(Emitted(piece, (*before, part, *after)) for piece, part in zip(held, at.parts, strict=True))

    def scaled(self, emitted: Emitted | Parts, scale: npt.NDArray[np.float64], at: Arrangement) -> Emitted:
        """Return a tensor times one number per place."""
        emitted = self.joined(emitted)
        if (scale == 1.0).all():
            return emitted
        dtype = emitted.held.dtype if isinstance(emitted.held, np.ndarray) else numpy_type(emitted.held)
        same = bool((scale == scale[0]).all())
        factor = Emitted(scale[:1] if same else scale.reshape([t.size for t in at.tokens]), () if same else at.tokens)
        held = factor.held.astype(dtype) if isinstance(factor.held, np.ndarray) else factor.held
        return self.elementwise("Mul", [emitted, Emitted(held, factor.tokens)], emitted.tokens)

    def added(self, parts: list[Emitted]) -> Emitted:
        """Return the sum of tensors; the one with most tokens tells the order."""
        total, *rest = sorted(parts, key=lambda part: -len(part.tokens))
        for part in rest:
            total = self.elementwise("Add", [total, part], total.tokens)
        return total

    def elementwise(self, op: str | ir.Node, operands: list[Emitted], tokens: Axis) -> Emitted:
        """Return an operator with broadcasting; axes that all operands share or lack together are one axis."""
        present = [frozenset(operand.tokens) for operand in operands]
        have = tuple(token for token in tokens if any(token in own for own in present))
        runs = [tuple(run) for _, run in groupby(have, key=lambda token: tuple(token in own for own in present))]
        inputs = [
            self.regroup(operand, tuple(run if run[0] in own else () for run in runs))
            for operand, own in zip(operands, present, strict=True)
        ]
        shape = [size_of(run) for run in runs]
        made = self.builder.node(op, inputs, shape) if isinstance(op, str) else self.builder.copy(op, inputs, shape)
        return self.spread(Emitted(made, have), tokens)

    def spread(self, emitted: Emitted, tokens: Axis) -> Emitted:
        """Return a tensor repeated along the tokens that it lacks."""
        if len(emitted.tokens) == len(tokens):
            return emitted
        runs = [tuple(run) for _, run in groupby(tokens, key=emitted.tokens.__contains__)]
        value = self.regroup(emitted, tuple(run if run[0] in emitted.tokens else () for run in runs))
        shape = [size_of(run) for run in runs]
        return Emitted(self.builder.node("Expand", [value, self.builder.constant(shape, "shape")], shape), tokens)

    def substitute(self, layout: Layout, at: Arrangement) -> Layout:
        """Return a layout with the tokens of an arrangement where its row factors stood."""
        resolved = self.axes.layout(layout)
        rows = [factor for axis in resolved for factor in axis if factor.is_row]
        inner = [factor for factor in rows if factor not in at.groups] or rows[-1:]
        outer = [factor for factor in rows if factor in at.groups and factor not in inner] or inner[:1]
        stand: dict[Factor, Axis] = {inner[0]: (at.row,)} if inner else {}
        if at.group is not None and outer:
            stand[outer[0]] = (at.group, *stand.get(outer[0], ()))
        return tuple(
            tuple(token for factor in axis for token in (stand.get(factor, ()) if factor.is_row else (factor,)))
            for axis in resolved
        )

    def regroup(self, emitted: Emitted, groups: Layout) -> ir.Value:
        """Return a tensor with its tokens in that order and on those axes."""
        wanted = tuple(token for group in groups for token in group)
        shape = [size_of(group) for group in groups]
        if isinstance(emitted.held, np.ndarray):
            cube = emitted.held.reshape([token.size for token in emitted.tokens])
            order = [emitted.tokens.index(token) for token in wanted]
            return self.builder.constant(cube.transpose(order).reshape(shape), "table")
        value = emitted.held
        if wanted != emitted.tokens:
            runs, order = _runs(emitted.tokens, wanted)
            value = self.builder.reshape(value, [size_of(run) for run in runs])
            sizes = [dims(value)[place] for place in order]
            value = self.builder.node("Transpose", [value], sizes, perm=order)
        return self.builder.reshape(value, shape)

    def _emit(self, base: Base, at: Arrangement) -> Emitted | Parts:
        if isinstance(base, Source):
            return self._gather(base, at)
        if isinstance(base, Constant):
            features = [f for axis in self.axes.layout(base.layout) for f in axis if not f.is_row]
            taken = rows_first(self.axes, base.array, base.layout)[at.index]
            cube = taken.reshape([token.size for token in (*at.tokens, *features)])
            wanted = [token for axis in self.substitute(base.layout, at) for token in axis]
            wanted = wanted if at.row in wanted else [*at.tokens, *wanted]
            order = [[*at.tokens, *features].index(token) for token in wanted]
            return Emitted(cube.transpose(order), tuple(wanted))
        return self._handlers[base.node.op_type](self, base, at)

    def _gather(self, base: Source, at: Arrangement) -> Emitted:
        """Return the demanded rows of a tensor of the graph: one Gather with 1-D indices."""
        flat = tuple(factor for axis in self.axes.layout(base.layout) for factor in axis)
        rows = self.axes.resolve(base.rows)
        first = min((flat.index(row) for row in rows), default=0)
        before = tuple(factor for factor in flat[:first] if factor not in rows)
        after = tuple(factor for factor in flat[first:] if factor not in rows)
        value = self.regroup(Emitted(base.value, flat), (before, rows, after))
        if not np.array_equal(at.index, np.arange(size_of(rows))):
            shape = [size_of(before), len(at.index), size_of(after)]
            value = self.builder.node("Gather", [value, self.builder.constant(at.index, "rows")], shape, axis=1)
        return Emitted(value, (*before, *at.tokens, *after))

    def _pieces(self, emitted: Emitted | Parts, at: Arrangement) -> list[tuple[Emitted, Axis]]:
        """Return the pieces of a tensor with the tokens that count their rows."""
        if isinstance(emitted, Parts):
            return [(piece, (row,)) for piece, row in zip(emitted.pieces, emitted.rows, strict=True)]
        return [(emitted, at.tokens)]

    def _picked(self, base: Base, sources: Ints, at: Arrangement, *, spread: bool) -> Emitted | Parts:
        """Return one row of a base per place; of a base without rows its only one, at every place if `spread`."""
        if not base.rows and not spread:
            return self._whole(base)
        return self.emit(base, at.at(self.axes.resolve(base.rows), sources))

    def _whole(self, base: Base) -> Emitted:
        """Return a tensor that has no rows."""
        flat = tuple(factor for axis in self.axes.layout(base.layout) for factor in axis)
        if isinstance(base, Constant):
            return Emitted(base.array.reshape([factor.size for factor in flat]), flat)
        assert isinstance(base, Source)
        return Emitted(base.value, flat)

    def _groups(self, base: Base) -> Axis:
        """Return the row factors that tell which image, value or other shared parameter a row reads."""
        found: dict[Factor, None] = {}
        stack: list[Base] = [base]
        rows = self.axes.resolve(base.rows)
        while stack:
            current = stack.pop()
            if not isinstance(current, Apply):
                continue
            for operand in current.operands:
                if isinstance(operand, Parameter):
                    found.update(dict.fromkeys(f for f in self.axes.rows(operand.layout) if f in rows))
                else:
                    stack.extend(term.base for term in operand.value.terms)
        return tuple(factor for factor in rows if factor in found)

    def _sum_back(self, parts: list[ir.Value], places: RowMap, features: Axis) -> ir.Value:
        """Return rows that are sums of the places of the parts, (1, rows, features)."""
        width, rows = size_of(features), places.rows_out
        dtype = parts[0].dtype or ir.DataType.FLOAT
        if places.fan_in() * rows > DENSE_GATHER * max(rows, places.matrix.nnz):
            return self._scatter_back(parts, places, width)
        sources, scales = places.table()
        if (sources < 0).any():
            parts = [*parts, self.builder.constant(np.zeros((1, 1, width), dtype=dtype.numpy()), "nobody")]
            sources = np.where(sources < 0, places.rows_in, sources)
        joined = self._join(parts)
        fan_in = sources.shape[1]
        index = self.builder.constant(sources.ravel(), "back")
        picked = self.builder.node("Gather", [joined, index], [1, rows * fan_in, width], axis=1)
        if (scales[scales != 0] != 1).any():
            scale = self.builder.constant(scales.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
            picked = self.builder.node("Mul", [picked, scale], dims(picked))
        if fan_in == 1:
            return picked
        stacked = self.builder.reshape(picked, [1, rows, fan_in, width])
        axes = self.builder.constant(np.array([2], dtype=np.int64), "axis")
        return self.builder.node("ReduceSum", [stacked, axes], [1, rows, width], keepdims=0)

    def _scatter_back(self, parts: list[ir.Value], places: RowMap, width: int) -> ir.Value:
        """Sum many rows to few, as a scatter with addition: what a view transform pools by."""
        entries = places.matrix.tocoo()
        joined = self._join(parts)
        index, dtype = entries.col.astype(np.int64), parts[0].dtype or ir.DataType.FLOAT
        shape = [1, len(index), width]
        if not np.array_equal(index, np.arange(places.rows_in)):
            joined = self.builder.node("Gather", [joined, self.builder.constant(index, "order")], shape, axis=1)
        if (entries.data != 1).any():
            scale = self.builder.constant(entries.data.reshape(1, -1, 1).astype(dtype.numpy()), "scale")
            joined = self.builder.node("Mul", [joined, scale], shape)
        zeros = self.builder.constant(np.zeros((places.rows_out, width), dtype=dtype.numpy()), "empty")
        targets = self.builder.constant(entries.row.astype(np.int64).reshape(-1, 1), "cells")
        updates = self.builder.reshape(joined, shape[1:])
        summed = self.builder.node("ScatterND", [zeros, targets, updates], dims(zeros), reduction="add")
        return self.builder.reshape(summed, [1, places.rows_out, width])

    def _join(self, parts: list[ir.Value]) -> ir.Value:
        if len(parts) == 1:
            return parts[0]
        shape = [1, sum(dims(part)[1] for part in parts), dims(parts[0])[2]]
        return self.builder.node("Concat", parts, shape, axis=1)


def _onto_places(map_: RowMap, at: Arrangement) -> sparse.csr_array:
    """Return the map of a base as a map of the places that its rows are packed to."""
    entries = map_.matrix.tocoo()
    places = at.place_of()[entries.col]
    return sparse.csr_array((entries.data, (entries.row, places)), shape=(map_.rows_out, len(at.index)))


def _runs(have: Axis, want: Axis) -> tuple[list[Axis], list[int]]:
    """Cut the tokens into the longest runs that stay together; return the runs and their new order."""
    starts = [0]
    for place in range(1, len(have)):
        before = want.index(have[place - 1])
        if before + 1 >= len(want) or want[before + 1] is not have[place]:
            starts.append(place)
    runs = [have[start:end] for start, end in zip(starts, [*starts[1:], len(have)], strict=True)]
    return runs, sorted(range(len(runs)), key=lambda number: want.index(runs[number][0]))


def demanded_rows(value: Combination) -> tuple[int, int]:
    """Return how many rows of row-wise work are demanded, and how many there are."""
    wanted = total = 0
    for term in value.terms:
        if isinstance(term.base, Apply):
            wanted += len(term.map.demanded())
            total += term.map.rows_in
    return wanted, total
