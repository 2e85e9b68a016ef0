"""Operators that work along features: Softmax, LayerNormalization and reductions, f(S x) = S f(x)."""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import normalized_axes, reduced_axes
from specialize.graph.ops import OPERATORS, of
from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, around, factors_of, unreduced
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Combination
from specialize.rows.lift import Lifter, parameters_of
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
    zero = ~operand.value.support() if OPERATORS[node.op_type].zeros == "first" else False
    return lifter.apply(node, output, layout, [operand], zero_at=zero)


def emit_reduce(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted | Parts:
    """Emit a reduction over features, the reduced axes as one."""
    operand, where = base.operand(0), reduced_axes(base.node)
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
        return Emitted(emitter.remade(base, attributes, [value, *rest], shape), (*before, *after))

    tokens = factors_of(own)
    return emitter.by_piece(at, [emitter.pieces(operand, at)], tokens, work)


RULES: dict[str, RowRule] = {
    **dict.fromkeys(of("along"), RowRule(lift_along_features, emit_along_features)),
    **dict.fromkeys(of("reduce"), RowRule(lift_reduce, emit_reduce)),
}
