"""Operators that work along features: Softmax, LayerNormalization and reductions, f(S x) = S f(x).

A reduction may also be over rows that were cut apart behind a work on all of them, as TPVFormer sums the parts of its
long pillars. It is then a function of groups of rows: for each row of the result, that many rows of what is reduced.
"""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import normalized_axes, reduced_axes
from specialize.graph.ops import OPERATORS, of
from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Factor, Layout, around, factors_of, unreduced
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination, Operand, Source
from specialize.rows.lift import ROWS_AND_FEATURES, Lifter, parameters_of
from specialize.rows.rule import RowRule
from specialize.rows.tensors import Emitted, Parts


def lift_along_features(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """Softmax and LayerNormalization over features."""
    source = node.inputs[0]
    assert source is not None
    start, end = normalized_axes(node, len(layout))
    if output:
        return Declined("statistics", "its mean or deviation output is used")
    if not all(lifter.axes.is_feature(part) for part in layout[start:end]):
        return Declined("works-along-rows", "it works along an axis that holds rows")
    if any(other is not None and dims(other) != dims(source)[start:end] for other in node.inputs[1:]):
        return Declined("scale-broadcasts", "its scale or its bias is broadcast")
    operands = [lifter.operand(source, layout), *parameters_of(node)]
    return lifter.apply(node, output, layout, operands, zero_at=False)


def emit_along_features(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit Softmax and LayerNormalization on (everything before, the axis, everything after)."""
    operand = base.operand(0)
    start, end = normalized_axes(base.node, len(operand.layout))
    before, along, after = around(emitter.substitute(operand.layout, at), start, end)
    groups = (before, along, after) if after else (before, along)
    value = emitter.regroup(emitter.operand(operand, at), groups)
    attributes = {**base.node.attributes, "axis": ir.AttrInt64("axis", 1)}
    flat = [None if p is None else emitter.builder.reshape(p, [size_of(along)]) for p in base.parameters()]
    made = emitter.remade(base, attributes, [value, *flat], dims(value))
    return Emitted(made, (*before, *along, *after))


def lift_reduce(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """A reduction over features."""
    source, where = node.inputs[0], reduced_axes(node)
    if source is None or where is None:
        return Declined("axes-not-constant", "its axes are not constant, or it reduces nothing")
    own = unreduced(layout, dims(source), where, [lifter.axes.feature(dims(source)[axis]) for axis in where])
    operand = lifter.operand(source, own)
    if _is_blocked(lifter, operand):
        several = unreduced(
            layout, dims(source), where, [lifter.axes.row(dims(source)[axis]) for axis in where]
        )
        finer = lifter.operand(source, several)
        operand = operand if _is_blocked(lifter, finer) else finer
    every = operand.value.support().reshape(size_of(lifter.axes.rows(layout)), -1)
    zero = ~every.any(axis=1) if OPERATORS[node.op_type].zeros == "first" else False
    return lifter.apply(node, output, layout, [operand], zero_at=zero)


def emit_reduce(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit a reduction over features, the reduced axes as one."""
    operand, where = base.operand(0), reduced_axes(base.node)
    assert where is not None
    reduced = [emitter.axes.resolve(operand.layout[place]) for place in where]
    rest_of = tuple(() if place in where else axis for place, axis in enumerate(operand.layout))
    own = list(emitter.substitute(rest_of, at))
    for place, axis in zip(where, reduced, strict=True):
        own[place] = axis
    along = factors_of(tuple(reduced))
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
        return Emitted(emitter.remade(base, attributes, [value, *rest], shape), (*before, *after))

    several = tuple(token for token in along if token.is_row)
    given = _groups_of_rows(emitter, operand, at, several) if several else emitter.pieces(operand, at)
    return emitter.by_piece(at, [given], factors_of(tuple(own)), work)


def _is_blocked(lifter: Lifter, operand: Operand) -> bool:
    """Return whether what is reduced is a tensor of the graph because its rows and features are on one axis."""
    sources = [term.base.value for term in operand.value.terms if isinstance(term.base, Source)]
    reasons = (lifter.reasons.get(value) for value in sources)
    return any(reason is not None and reason.code == ROWS_AND_FEATURES.code for reason in reasons)


def _groups_of_rows(emitter: Emitter, operand: Operand, at: Arrangement, several: Axis) -> Emitted | Parts:
    """Return what is reduced over rows: for every place of an arrangement all rows that become its own."""
    finer = at.times(several)
    given = emitter.pieces(operand, finer)

    def cut(piece: Emitted, row: Factor, own: Factor) -> Emitted:
        tokens = (part for token in piece.tokens for part in ((own, *several) if token is row else (token,)))
        return Emitted(piece.held, tuple(tokens))

    if isinstance(given, Emitted):
        return cut(given, finer.row, at.row)
    triples = zip(given.pieces, given.rows, at.parts, strict=True)
    return Parts(tuple(cut(*each) for each in triples), at.row, at.parts)


RULES: dict[str, RowRule] = {
    **dict.fromkeys(of("along"), RowRule(lift_along_features, emit_along_features)),
    **dict.fromkeys(of("reduce"), RowRule(lift_reduce, emit_reduce)),
}
