"""How each row-wise operator is emitted on the rows of an arrangement."""

from __future__ import annotations

from itertools import groupby

import onnx_ir as ir

from specialize.graph.shapes import dims
from specialize.rows.arrange import Arrangement
from specialize.rows.axes import Axis, Layout, size_of
from specialize.rows.emit import Emitted, Emitter, Handler
from specialize.rows.expr import Apply, Operand, Parameter
from specialize.rows.lift import node_axis
from specialize.rows.lift_work import ALL_ZERO, ANY_ZERO, KEEPS_ZERO, OTHER_ELEMENTWISE, OTHER_UNARY, normalized_axes, reduced_axes


def elementwise(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit an operator with broadcasting."""
    tokens = tuple(token for axis in emitter.substitute(base.layout, at) for token in axis)
    operands = [emitter.operand(_operand(base, i), at, spread=False) for i in range(len(base.operands))]
    return emitter.elementwise(base.node, operands, tokens)


def unary(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit a function of one operand, whatever its shape."""
    operand = emitter.operand(_operand(base, 0), at)
    value = emitter.regroup(operand, tuple((t,) for t in operand.tokens)) if _is_known(operand) else operand.held
    assert isinstance(value, ir.Value)
    return Emitted(emitter.builder.copy(base.node, [value, *_parameters(base)], dims(value)), operand.tokens)


def matmul(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit MatMul and Gemm on all rows at once."""
    operand = _operand(base, 0)
    own, out = emitter.substitute(operand.layout, at), emitter.substitute(base.layout, at)
    lead = tuple(token for axis in own[:-1] for token in axis)
    head: Layout = () if base.node.op_type == "Gemm" else ((),)
    value = emitter.regroup(emitter.operand(operand, at), (*head, lead, own[-1]))
    shape = [*dims(value)[:-1], size_of(out[-1])]
    return Emitted(emitter.builder.copy(base.node, [value, *_parameters(base)], shape), (*lead, *out[-1]))


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


def reduce(emitter: Emitter, base: Apply, at: Arrangement) -> Emitted:
    """Emit a reduction over features, the reduced axes as one."""
    operand, where = _operand(base, 0), reduced_axes(base.node)
    assert where is not None
    own = emitter.substitute(operand.layout, at)
    kept_before = tuple(token for place, axis in enumerate(own) if place < where[0] for token in axis)
    along = tuple(token for place in where for token in own[place])
    kept_after = tuple(t for place, axis in enumerate(own) if place > where[0] and place not in where for t in axis)
    tail = (kept_after,) if kept_after else ()
    value = emitter.regroup(emitter.operand(operand, at), ((), kept_before, along, *tail))
    shape = [1, size_of(kept_before), *(size_of(axis) for axis in tail)]
    attributes: dict[str, ir.Attr] = {"keepdims": ir.AttrInt64("keepdims", 0)}
    inputs: list[ir.Value | None] = [value]
    if "axes" in base.node.attributes:
        attributes["axes"] = ir.AttrInt64s("axes", [2])
    else:
        inputs.append(emitter.builder.constant([2], "axis"))
    return Emitted(_remade(emitter, base, attributes, inputs, shape), (*kept_before, *kept_after))


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
    operand = emitter.operand(_operand(base, 0), at, spread=False)
    runs = [tuple(run) for _, run in groupby(tokens, key=operand.tokens.__contains__)]
    value = emitter.regroup(operand, tuple(run if run[0] in operand.tokens else () for run in runs))
    shape = [size_of(run) for run in runs]
    made = emitter.builder.node("Expand", [value, emitter.builder.constant(shape, "shape")], shape)
    return Emitted(made, tokens)


def _operand(base: Apply, index: int) -> Operand:
    found = base.operands[index]
    assert isinstance(found, Operand)
    return found


def _parameters(base: Apply) -> list[ir.Value | None]:
    return [operand.value for operand in base.operands if isinstance(operand, Parameter)]


def _is_known(operand: Emitted) -> bool:
    return not isinstance(operand.held, ir.Value)


def _around(layout: Layout, start: int, end: int) -> tuple[Axis, Axis, Axis]:
    before = tuple(token for axis in layout[:start] for token in axis)
    along = tuple(token for axis in layout[start:end] for token in axis)
    return before, along, tuple(token for axis in layout[end:] for token in axis)


def _remade(
    emitter: Emitter, base: Apply, attributes: dict[str, ir.Attr], inputs: list[ir.Value | None], shape: list[int]
) -> ir.Value:
    """Return the output of a node of the same kind with other attributes."""
    model = ir.Node(base.node.domain, base.node.op_type, [], list(attributes.values()), num_outputs=1)
    model.outputs[0].type = base.node.outputs[base.output].type
    return emitter.builder.copy(model, inputs, shape)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(ANY_ZERO | ALL_ZERO | OTHER_ELEMENTWISE, elementwise),
    **dict.fromkeys(KEEPS_ZERO | OTHER_UNARY, unary),
    **dict.fromkeys(
        ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
        reduce,
    ),
    "MatMul": matmul, "Gemm": matmul, "Softmax": along_features, "LogSoftmax": along_features,
    "LayerNormalization": along_features, "Concat": concat, "Slice": select, "Split": select, "Gather": select,
    "Expand": expand, "Tile": expand,
}  # fmt: skip
