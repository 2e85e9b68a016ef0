"""How each row-wise operator is emitted on the rows of an arrangement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from specialize.graph.ops import of
from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, size_of
from specialize.rows.emit import Emitter, Handler
from specialize.rows.expr import Apply, Operand, Parameter, Source
from specialize.rows.lift import node_axis
from specialize.rows.lift_work import normalized_axes, reduced_axes
from specialize.rows.tensors import Emitted, Parts

FLOPS_PER_BYTE = 4
"""Operations that cost as much as moving one byte; measured on CPUs, and low for every accelerator."""


def elementwise(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit an operator with broadcasting."""
    tokens = tuple(token for axis in emitter.substitute(base.layout, at) for token in axis)
    operands = [emitter.pieces(_operand(base, i), at, spread=False) for i in range(len(base.operands))]

    def work(pieces: tuple[Emitted, ...], wanted: Axis) -> Emitted:
        return emitter.elementwise(base.node, list(pieces), wanted)

    return _by_piece(emitter, at, operands, tokens, work)


def unary(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit a function of one operand, whatever its shape."""
    operand = emitter.pieces(_operand(base, 0), at)

    def work(pieces: tuple[Emitted, ...], wanted: Axis) -> Emitted:
        (piece,) = pieces
        value = (
            piece.held
            if isinstance(piece.held, ir.Value)
            else emitter.regroup(piece, tuple((t,) for t in piece.tokens))
        )
        return Emitted(
            emitter.builder.copy(base.node, [value, *_parameters(base)], dims(value)), piece.tokens
        )

    return _by_piece(emitter, at, [operand], (), work)


def matmul(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit MatMul and Gemm on all rows at once: on the demanded rows, or on those they are picked from.

    A query that two cameras see is two rows. Working on the queries and picking rows of the result is cheaper where
    what is multiplied twice weighs more than the wider rows that are moved: `FLOPS_PER_BYTE` says how much.
    """
    operand = _operand(base, 0)
    out = emitter.axes.layout(base.layout)[-1]
    found = emitter.source_of(operand, at)
    if found is not None and _is_cheaper_before(emitter, found[0], operand, len(at.index), size_of(out)):
        source, index = found
        flat = tuple(factor for axis in emitter.axes.layout(source.layout) for factor in axis)
        rows = emitter.axes.resolve(source.rows)
        whole = _product(emitter, base, Emitted(source.value, flat), out)
        return emitter.pick_rows(whole, rows, at.at(rows, index))
    own = emitter.substitute(operand.layout, at)
    lead = tuple(token for axis in own[:-1] for token in axis)
    value = emitter.regroup(emitter.operand(operand, at), (lead, own[-1]))
    return _product(emitter, base, Emitted(value, (*lead, *own[-1])), out)


def _product(emitter: Emitter, base: Apply, operand: Emitted, out: Axis) -> Emitted:
    """Return a product of all rows of a tensor with the weights of a node."""
    summed = emitter.axes.resolve(_operand(base, 0).layout[-1])
    lead = tuple(token for token in operand.tokens if token not in summed)
    head: Layout = () if base.node.op_type == "Gemm" else ((),)
    value = emitter.regroup(operand, (*head, lead, summed))
    shape = [*dims(value)[:-1], size_of(out)]
    return Emitted(emitter.builder.copy(base.node, [value, *_parameters(base)], shape), (*lead, *out))


def _is_cheaper_before(emitter: Emitter, source: Source, operand: Operand, picked: int, width: int) -> bool:
    """Return whether a product is cheaper on all rows of the source than on the rows picked from it."""
    summed = size_of(emitter.axes.resolve(operand.layout[-1]))
    repeats = size_of(f for axis in emitter.axes.layout(operand.layout)[:-1] for f in axis if not f.is_row)
    rows, bytes_each = size_of(emitter.axes.resolve(source.rows)) * repeats, 2 * operand.dtype.itemsize
    before = 2 * rows * summed * width + FLOPS_PER_BYTE * bytes_each * picked * repeats * width
    after = 2 * picked * repeats * summed * width + FLOPS_PER_BYTE * bytes_each * picked * repeats * summed
    return before < after


def along_features(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Softmax and LayerNormalization on (everything before, the axis, everything after)."""
    operand = _operand(base, 0)
    start, end = normalized_axes(base.node, len(operand.layout))
    before, along, after = _around(emitter.substitute(operand.layout, at), start, end)
    groups = (before, along, after) if after else (before, along)
    value = emitter.regroup(emitter.operand(operand, at), groups)
    attributes = {**base.node.attributes, "axis": ir.AttrInt64("axis", 1)}
    flat = [None if p is None else emitter.builder.reshape(p, [size_of(along)]) for p in _parameters(base)]
    made = _remade(emitter, base, attributes, [value, *flat], dims(value))
    return Emitted(made, (*before, *along, *after))


def reduce(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit a reduction over features, the reduced axes as one."""
    operand, where = _operand(base, 0), reduced_axes(base.node)
    assert where is not None
    own = emitter.substitute(operand.layout, at)
    along = tuple(token for place in where for token in own[place])
    attributes: dict[str, ir.Attr] = {"keepdims": ir.AttrInt64("keepdims", 0)}
    if "axes" in base.node.attributes:
        attributes["axes"] = ir.AttrInt64s("axes", [2])
    rest = [] if "axes" in base.node.attributes else [emitter.builder.constant([2], "axis")]

    def work(pieces: tuple[Emitted, ...], wanted: Axis) -> Emitted:
        first = wanted.index(along[0]) if along else len(wanted)
        before = tuple(token for token in wanted[:first] if token not in along)
        after = tuple(token for token in wanted[first:] if token not in along)
        value = emitter.regroup(pieces[0], ((), before, along, *((after,) if after else ())))
        shape = [1, size_of(before), *((size_of(after),) if after else ())]
        return Emitted(_remade(emitter, base, attributes, [value, *rest], shape), (*before, *after))

    tokens = tuple(token for axis in own for token in axis)
    return _by_piece(emitter, at, [emitter.pieces(operand, at)], tokens, work)


def concat(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Concat of features."""
    axis = node_axis(base.node, 0, len(base.layout))
    out = emitter.substitute(base.layout, at)
    before, along, after = _around(out, axis, axis + 1)
    values = []
    for index in range(len(base.operands)):
        operand = _operand(base, index)
        own = emitter.substitute(operand.layout, at)[axis]
        values.append(emitter.regroup(emitter.operand(operand, at), (before, own, after)))
    attributes = {"axis": ir.AttrInt64("axis", 1)}
    shape = [size_of(before), size_of(along), size_of(after)]
    return Emitted(_remade(emitter, base, attributes, values, shape), (*before, *along, *after))


def select(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Slice, Split and Gather of features on the axes as they are, rows in the place of the queries."""
    operand = _operand(base, 0)
    own, out = emitter.substitute(operand.layout, at), emitter.substitute(base.layout, at)
    value = emitter.regroup(emitter.operand(operand, at), own)
    shape = [size_of(axis) for axis in out]
    if len(base.node.outputs) == 1:
        made = emitter.builder.copy(base.node, [value, *_parameters(base)], shape)
    else:
        axis = node_axis(base.node, 0, len(out))
        shapes = [[*dims(value)[:axis], dims(o)[axis], *dims(value)[axis + 1 :]] for o in base.node.outputs]
        sizes = emitter.builder.constant([dims(o)[axis] for o in base.node.outputs], "sizes")
        made = emitter.builder.nodes("Split", [value, sizes], shapes, axis=axis)[base.output]
    return Emitted(made, tuple(token for axis in out for token in axis))


def expand(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Expand of features; what has no rows yet gets them in the same step."""
    tokens = tuple(token for axis in emitter.substitute(base.layout, at) for token in axis)
    return emitter.spread(emitter.operand(_operand(base, 0), at, spread=False), tokens)


def _operand(base: Apply, index: int) -> Operand:
    found = base.operands[index]
    assert isinstance(found, Operand)
    return found


def _parameters(base: Apply) -> list[ir.Value | None]:
    return [operand.value for operand in base.operands if isinstance(operand, Parameter)]


def _by_piece(
    emitter: Emitter,
    at: Arrangement,
    operands: list[Emitted | Parts],
    tokens: Axis,
    work: Callable[[tuple[Emitted, ...], Axis], Emitted],
) -> Emitted | Parts:
    """Do row-wise work once, or group by group if an operand is in pieces; `tokens` are those of the whole."""
    if not any(isinstance(operand, Parts) for operand in operands):
        return work(tuple(emitter.joined(operand) for operand in operands), tokens)
    columns = [emitter.split(operand, at) for operand in operands]
    pieces = []
    for index, part in enumerate(at.parts):
        own = tuple(part if token is at.row else token for token in tokens)
        pieces.append(work(tuple(column[index] for column in columns), own))
    return Parts(tuple(pieces), at.row, at.parts)


def _around(layout: Layout, start: int, end: int) -> tuple[Axis, Axis, Axis]:
    before = tuple(token for axis in layout[:start] for token in axis)
    along = tuple(token for axis in layout[start:end] for token in axis)
    return before, along, tuple(token for axis in layout[end:] for token in axis)


def _remade(
    emitter: Emitter,
    base: Apply,
    attributes: dict[str, ir.Attr],
    inputs: Sequence[ir.Value | None],
    shape: Sequence[int],
) -> ir.Value:
    """Return the output of a node of the same kind with other attributes."""
    model = ir.Node(base.node.domain, base.node.op_type, [], list(attributes.values()), num_outputs=1)
    model.outputs[0].type = base.node.outputs[base.output].type
    return emitter.builder.copy(model, inputs, shape)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(of("elementwise"), elementwise),
    **dict.fromkeys(of("unary"), unary),
    **dict.fromkeys(of("reduce"), reduce),
    **dict.fromkeys(of("product"), matmul),
    **dict.fromkeys(of("along"), along_features),
    **dict.fromkeys(of("join"), concat),
    **dict.fromkeys(of("cut"), select),
    **dict.fromkeys(of("repeat"), expand),
    "Gather": select,
}
