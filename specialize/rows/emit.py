"""Emit: make the nodes that compute a combination for the demanded rows only.

Tensors keep the order of axes that the exporter chose, with one axis for the rows where the queries stood; so
nothing is transposed that was not before. Every operator is emitted in the fewest axes that tell its operands apart,
which keeps the rank at four or less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from specialize.graph.axes import size_of
from specialize.graph.builder import Builder
from specialize.rows.arrange import Arrangement, Packing, arrange, arrange_as
from specialize.rows.axes import Axes, Axis, Factor, Layout, factors_of
from specialize.rows.block_sums import cut, sum_blocks
from specialize.rows.capacity import Room, Sum
from specialize.rows.expr import Apply, Base, Constant, Operand, Parameter, Source, Term
from specialize.rows.gating import Gate, find_gating
from specialize.rows.lift import rows_first
from specialize.rows.rowmap import RowMap
from specialize.rows.sum_back import needs_of, sum_back
from specialize.rows.tensors import Emitted, Parts, Tensors

Ints = npt.NDArray[np.int64]

Emit = Callable[["Emitter", Apply, Arrangement], Emitted | Parts]

NARROWING = frozenset({"Slice", "Split"})
"""Operators that leave fewer features: where rows are read twice or more, they are narrowed before they are picked."""


class Emitter(Tensors):
    """Emits combinations before one node of the graph.

    Args:
        axes: Where factors are kept; nothing is lifted any more.
        builder: Makes the nodes.
        packing: How rows are packed.
        emits: Operator type to how it is emitted.
        room: What is kept for the rows; None for what they need.
    """

    def __init__(
        self,
        axes: Axes,
        builder: Builder,
        packing: Packing,
        emits: Mapping[str, Emit],
        room: Room | None = None,
    ) -> None:
        super().__init__(builder)
        self.axes = axes
        self.arrangements: list[tuple[Base, Arrangement]] = []
        self.slots: list[tuple[int, ...]] = []
        self.sums: list[Sum] = []
        self._packing = packing
        self._room = room
        self._emits = emits
        self._done: dict[tuple[int, Axis, bytes], Emitted | Parts] = {}
        self._narrowed: dict[Apply, Source] = {}

    def combine(
        self,
        terms: tuple[Term, ...],
        rows: Axis,
        features: Axis | None = None,
        gates: Sequence[Gate] = (),
        groups: Axis | None = None,
    ) -> Emitted:
        """Return a sum of row maps of bases, rows first: each base on its demanded rows, then summed back.

        Args:
            terms: The summands; their maps give as many rows as `rows` count.
            rows: What the rows of the result are numbered by.
            features: What else; by default as the first base is emitted.
            gates: For pairs whose mask is known at run time only: where that mask is.
            groups: What tells the group of a row; by default all that an image below is chosen by.

        Raises:
            NoRoomError: The rows do not fit in what is kept for them.
        """
        parts, maps = [], []
        arrangements: list[Arrangement] = []
        needs = needs_of(RowMap.of(sparse.hstack([term.map.matrix for term in terms])))
        how = None if self._room is None else self._room.fitting(len(self.sums), needs)
        self.sums.append(needs)
        if how is not None and how.scattered and len(terms) == 1 and not self._groups(terms[0].base):
            return self._pool(terms[0], rows, features, how.blocks)
        for term in terms:
            base_rows = self.axes.resolve(term.base.rows)
            kept = None if self._room is None else self._room.slot(len(self.slots))
            own = self._groups(term.base) if groups is None else groups
            at = arrange(base_rows, own, term.map.demanded(), self._packing, kept)
            self.slots.append(at.wanted())
            arrangements.append(at)
            for piece, row in self._pieces(self.emit(term.base, at), at):
                features = features or tuple(token for token in piece.tokens if token not in row)
                parts.append(self.regroup(piece, ((), row, features)))
            maps.append(_onto_places(term.map, at))
            self.arrangements.append((term.base, at))
        assert features is not None
        places = RowMap.of(sparse.hstack(maps))
        gating = find_gating(gates, [at.lengths for at in arrangements], places)
        summed = sum_back(self.builder, parts, places, size_of(features), how, gating)
        return Emitted(summed, (*rows, *features))

    def _pool(self, term: Term, rows: Axis, features: Axis | None, levels: tuple[int, ...]) -> Emitted:
        """Return rows that are sums of many rows of one base, which is computed in the blocks that are summed."""
        entries = term.map.matrix.tocoo()
        first = cut(entries.row.astype(np.int64), levels[0])
        index = entries.col.astype(np.int64)[first.entries]
        at = arrange_as(self.axes.resolve(term.base.rows), index, first.filled)
        self.slots.append(at.wanted())
        self.arrangements.append((term.base, at))
        emitted = self.joined(self.emit(term.base, at))
        features = features or tuple(token for token in emitted.tokens if token not in at.tokens)
        value = self.regroup(emitted, (at.tokens, features))
        summed = sum_blocks(self.builder, value, first, entries.data, term.map.rows_out, levels)
        return Emitted(summed, (*rows, *features))

    def emit(self, base: Base, at: Arrangement) -> Emitted | Parts:
        """Return a base on the rows of an arrangement."""
        key = (id(base), at.tokens, at.index.tobytes())
        if key not in self._done:
            self._done[key] = self._emit(base, at)
        return self._done[key]

    def bases(self) -> frozenset[int]:
        """Return the identities of all bases of which rows were computed or picked."""
        return frozenset(base for base, _, _ in self._done)

    def operand(self, operand: Operand, at: Arrangement, *, spread: bool = True) -> Emitted:
        """Return an operand as one tensor; see `pieces`."""
        return self.joined(self.pieces(operand, at, spread=spread))

    def pieces(self, operand: Operand, at: Arrangement, *, spread: bool = True) -> Emitted | Parts:
        """Return an operand on the rows of an arrangement; one that is the same for all rows only if `spread`."""
        value = operand.value
        terms = tuple(Term(_taken(term, at), term.base) for term in value.terms)
        read = tuple(term for term in terms if term.map.support()[at.filled].any())
        terms = read or tuple(
            term for term in terms if term.map.matrix.nnz
        )  # not what padding alone would read
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
        features = tuple(f for f in self.axes.flat(operand.layout) if not f.is_row)
        if not terms:
            tokens = (*at.tokens, *features)
            return Emitted(np.zeros([token.size for token in tokens], dtype=operand.dtype), tokens)
        return self.combine(terms, at.tokens, features)

    def substitute(self, layout: Layout, at: Arrangement) -> Layout:
        """Return a layout with the tokens of an arrangement where its row factors stood."""
        resolved = self.axes.layout(layout)
        rows = [factor for factor in factors_of(resolved) if factor.is_row]
        inner = [factor for factor in rows if factor not in at.groups] or rows[-1:]
        outer = [factor for factor in rows if factor in at.groups and factor not in inner] or inner[:1]
        stand: dict[Factor, Axis] = {inner[0]: (at.row,)} if inner else {}
        if at.group is not None and outer:
            stand[outer[0]] = (at.group, *stand.get(outer[0], ()))
        return tuple(
            tuple(
                token for factor in axis for token in (stand.get(factor, ()) if factor.is_row else (factor,))
            )
            for axis in resolved
        )

    def _emit(self, base: Base, at: Arrangement) -> Emitted | Parts:
        if isinstance(base, Source):
            return self._gather(base, at)
        if isinstance(base, Constant) and base.value is not None and base.value.name in self._packing.shared:
            flat = self.axes.flat(base.layout)
            return self.pick_rows(Emitted(base.value, flat), self.axes.resolve(base.rows), at)
        if isinstance(base, Constant):
            features = [f for f in self.axes.flat(base.layout) if not f.is_row]
            taken = rows_first(self.axes, base.array, base.layout)[at.index]
            cube = taken.reshape([token.size for token in (*at.tokens, *features)])
            wanted = list(factors_of(self.substitute(base.layout, at)))
            wanted = wanted if at.row in wanted else [*at.tokens, *wanted]
            order = [[*at.tokens, *features].index(token) for token in wanted]
            return Emitted(cube.transpose(order), tuple(wanted))
        assert isinstance(base, Apply)
        return self._emits[base.node.op_type](self, base, at)

    def source_of(self, operand: Operand, at: Arrangement) -> tuple[Source, Ints] | None:
        """Return the source of an operand that is nothing but picked rows of it, and which row stands where."""
        terms = [term for term in operand.value.terms if term.map.matrix.nnz]
        if len(terms) != 1 or not isinstance(terms[0].base, Source) or not terms[0].base.rows:
            return None
        picked = _taken(terms[0], at).as_selection()
        return None if picked is None else (terms[0].base, picked)

    def pick_rows(self, emitted: Emitted, rows: Axis, at: Arrangement) -> Emitted:
        """Return the demanded rows of a tensor that has all: one Gather with 1-D indices."""
        flat = emitted.tokens
        first = min((flat.index(row) for row in rows), default=0)
        before = tuple(factor for factor in flat[:first] if factor not in rows)
        after = tuple(factor for factor in flat[first:] if factor not in rows)
        value = self.regroup(emitted, (before, rows, after))
        if self._room is not None or not np.array_equal(at.index, np.arange(size_of(rows))):
            shape = [size_of(before), len(at.index), size_of(after)]
            value = self.builder.node(
                "Gather", [value, self.builder.constant(at.index, "rows")], shape, axis=1
            )
        return Emitted(value, (*before, *at.tokens, *after))

    def _gather(self, base: Source, at: Arrangement) -> Emitted:
        """Return the demanded rows of a tensor of the graph."""
        flat = self.axes.flat(base.layout)
        return self.pick_rows(Emitted(base.value, flat), self.axes.resolve(base.rows), at)

    def _pieces(self, emitted: Emitted | Parts, at: Arrangement) -> list[tuple[Emitted, Axis]]:
        """Return the pieces of a tensor with the tokens that count their rows."""
        if isinstance(emitted, Parts):
            return [(piece, (row,)) for piece, row in zip(emitted.pieces, emitted.rows, strict=True)]
        return [(emitted, at.tokens)]

    def _picked(self, base: Base, sources: Ints, at: Arrangement, *, spread: bool) -> Emitted | Parts:
        """Return one row of a base per place; of a base without rows its only one, at every place if `spread`."""
        if not base.rows and not spread:
            return self._whole(base)
        rows = self.axes.resolve(base.rows)
        if isinstance(base, Apply) and base.node.op_type in NARROWING and len(sources) >= 2 * size_of(rows):
            base = self._narrowed.setdefault(
                base, Source(base.node.outputs[base.output], base.layout, base.rows)
            )
        return self.emit(base, at.at(rows, sources))

    def _whole(self, base: Base) -> Emitted:
        """Return a tensor that has no rows."""
        flat = self.axes.flat(base.layout)
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


def _taken(term: Term, at: Arrangement) -> RowMap:
    """Return the rows of a map at the places of an arrangement; padding without a row reads some other row."""
    taken = term.map.take_rows(at.index)
    idle = ~taken.support() & ~at.filled
    if not idle.any() or not taken.matrix.nnz:
        return taken
    same = term.map.rows_in == term.map.rows_out
    sources = np.where(idle, at.index if same else taken.matrix.indices[0], -1)
    return taken + RowMap.selection(sources, taken.rows_in)


def _onto_places(map_: RowMap, at: Arrangement) -> sparse.csr_array:
    """Return the map of a base as a map of the places that its rows are packed to."""
    entries = map_.matrix.tocoo()
    places = at.place_of()[entries.col]
    return sparse.csr_array((entries.data, (entries.row, places)), shape=(map_.rows_out, len(at.index)))
