"""Tensors of the specialized graph whose elements are numbered by factors, whatever their shape groups them to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.axes import runs_of_transpose, size_of
from specialize.graph.builder import Builder
from specialize.graph.shapes import dims, numpy_type
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Factor, Layout
from specialize.rows.expr import Apply


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


class Tensors:
    """Makes tensors from tensors; every operator in the fewest axes that tell its operands apart.

    Args:
        builder: Makes the nodes.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def joined(self, emitted: Emitted | Parts) -> Emitted:
        """Return a tensor in one piece."""
        if isinstance(emitted, Emitted):
            return emitted
        first = emitted.pieces[0].tokens
        place = first.index(emitted.rows[0])
        before, after = first[:place], first[place + 1 :]
        values = [
            self.regroup(piece, (before, (row,), after))
            for piece, row in zip(emitted.pieces, emitted.rows, strict=True)
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
            held: list[ir.Value | npt.NDArray[np.generic]] = list(
                np.split(cube, np.cumsum(sizes)[:-1], axis=1)
            )
        else:
            value = self.regroup(emitted, (before, (at.row,), after))
            shapes = [[size_of(before), size, size_of(after)] for size in sizes]
            lengths = self.builder.constant(np.array(sizes, dtype=np.int64), "sizes")
            held = list(self.builder.nodes("Split", [value, lengths], shapes, axis=1))
        return tuple(
            Emitted(piece, (*before, part, *after)) for piece, part in zip(held, at.parts, strict=True)
        )

    def scaled(self, emitted: Emitted | Parts, scale: npt.NDArray[np.float64], at: Arrangement) -> Emitted:
        """Return a tensor times one number per place."""
        emitted = self.joined(emitted)
        if (scale == 1.0).all():
            return emitted
        dtype = emitted.held.dtype if isinstance(emitted.held, np.ndarray) else numpy_type(emitted.held)
        same = bool((scale == scale[0]).all())
        factor = Emitted(
            scale[:1] if same else scale.reshape([t.size for t in at.tokens]), () if same else at.tokens
        )
        held = factor.held.astype(dtype) if isinstance(factor.held, np.ndarray) else factor.held
        return self.elementwise("Mul", [emitted, Emitted(held, factor.tokens)], emitted.tokens)

    def added(self, parts: list[Emitted]) -> Emitted:
        """Return the sum of tensors; in the order of the one with most tokens."""
        total, *rest = sorted(parts, key=lambda part: -len(part.tokens))
        for part in rest:
            total = self.elementwise("Add", [total, part], total.tokens)
        return total

    def spread(self, emitted: Emitted, tokens: Axis) -> Emitted:
        """Return a tensor repeated along the tokens that it lacks."""
        if len(emitted.tokens) == len(tokens):
            return emitted
        runs = [tuple(run) for _, run in groupby(tokens, key=emitted.tokens.__contains__)]
        value = self.regroup(emitted, tuple(run if run[0] in emitted.tokens else () for run in runs))
        shape = [size_of(run) for run in runs]
        made = self.builder.node("Expand", [value, self.builder.constant(shape, "shape")], shape)
        return Emitted(made, tokens)

    def elementwise(self, op: str | ir.Node, operands: list[Emitted], tokens: Axis) -> Emitted:
        """Return an operator with broadcasting; axes that all operands share or lack together are one axis."""
        present = [frozenset(operand.tokens) for operand in operands]
        have = tuple(token for token in tokens if any(token in own for own in present))
        runs = [
            tuple(run) for _, run in groupby(have, key=lambda token: tuple(token in own for own in present))
        ]
        inputs = [
            self.regroup(operand, tuple(run if run[0] in own else () for run in runs))
            for operand, own in zip(operands, present, strict=True)
        ]
        shape = [size_of(run) for run in runs]
        made = (
            self.builder.node(op, inputs, shape)
            if isinstance(op, str)
            else self.builder.copy(op, inputs, shape)
        )
        return self.spread(Emitted(made, have), tokens)

    def by_piece(
        self,
        at: Arrangement,
        operands: list[Emitted | Parts],
        tokens: Axis,
        work: Callable[[tuple[Emitted, ...], Axis], Emitted],
    ) -> Emitted | Parts:
        """Do row-wise work once, or group by group if an operand is in pieces; `tokens` are those of the whole."""
        if not any(isinstance(operand, Parts) for operand in operands):
            return work(tuple(self.joined(operand) for operand in operands), tokens)
        columns = [self.split(operand, at) for operand in operands]
        pieces = []
        for index, part in enumerate(at.parts):
            own = tuple(part if token is at.row else token for token in tokens)
            pieces.append(work(tuple(column[index] for column in columns), own))
        return Parts(tuple(pieces), at.row, at.parts)

    def remade(
        self,
        base: Apply,
        attributes: dict[str, ir.Attr],
        inputs: Sequence[ir.Value | None],
        shape: Sequence[int],
    ) -> ir.Value:
        """Return the output of a node of the same kind with other attributes."""
        model = ir.Node(base.node.domain, base.node.op_type, [], list(attributes.values()), num_outputs=1)
        model.outputs[0].type = base.node.outputs[base.output].type
        return self.builder.copy(model, inputs, shape)

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
            runs, order = runs_of_transpose(emitted.tokens.index(token) for token in wanted)
            value = self.builder.reshape(value, [size_of(emitted.tokens[at] for at in run) for run in runs])
            sizes = [dims(value)[place] for place in order]
            value = self.builder.node("Transpose", [value], sizes, perm=order)
        return self.builder.reshape(value, shape)
