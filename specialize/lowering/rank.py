"""Lower rank: compute on tensors of few axes what was written on many.

What: an operator on tensors of rank 5 and more  ->  Reshape, the same operator on merged axes, Reshape back.
Why it is sound: adjacent axes that an operator treats alike are one axis to it; Reshape moves no element, and two in a
    row are one (`passes/clean_up.py`).
Needs: static shapes.
Declines when: even with axes merged there are too many; an operator has no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np
import onnx_ir as ir

from specialize.graph.axes import runs_of_transpose
from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis, normalized_axes, reduced_axes
from specialize.graph.ops import BY_ELEMENT, VIEWS, permutation
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import dims, is_static, numpy_type

NAME = "lower_rank"
HIGHEST = 4

Groups = list[list[int]]
"""Axes that are merged, in order; axes of size 1 are in none."""

Rewrite = Callable[[ir.Node, Builder, int], "list[ir.Value] | Declined"]


def few_axes(highest: int = HIGHEST) -> Rule:
    """Return the rule that rewrites every operator on tensors of higher rank that can be."""

    def rewrite(node: ir.Node, builder: Builder) -> Outcome:
        if not _is_high(node, highest) or not _is_static(node):
            return None
        made = RULES.get(node.op_type, _no_rule)(node, builder, highest)
        return made if isinstance(made, Declined) else Rewritten((), made)

    return Rule(name=NAME, rewrite=rewrite, title="{operator}")


def _no_rule(node: ir.Node, builder: Builder, highest: int) -> Declined:
    return Declined("no-rank-rule", "it has no rule")


def _is_high(node: ir.Node, highest: int) -> bool:
    return any(value is not None and value.shape is not None and len(value.shape) > highest
               for value in (*node.inputs, *node.outputs))  # fmt: skip


def _is_static(node: ir.Node) -> bool:
    return all(
        value is None or (is_static(value) and value.dtype is not None)
        for value in (*node.inputs, *node.outputs)
    )


def _merged(shape: Sequence[int], groups: Groups) -> list[int]:
    return [math.prod(shape[axis] for axis in group) for group in groups] or [1]


def _runs(kinds: Sequence[object], sizes: Sequence[int]) -> Groups:
    """Return runs of adjacent axes of the same kind, axes of size 1 left out."""
    wide = (axis for axis, size in enumerate(sizes) if size != 1)
    return [list(run) for _, run in groupby(wide, key=kinds.__getitem__)]


def _elementwise(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    shape = dims(node.outputs[0])
    operands = [value for value in node.inputs if value is not None]
    wide = [(1,) * (len(shape) - len(dims(value))) + dims(value) for value in operands]
    groups = _runs([tuple(own[axis] == 1 for own in wide) for axis in range(len(shape))], shape)
    if len(groups) > highest:
        return Declined("axes-in-turn", f"{len(groups)} axes are broadcast in turn")
    inputs = [
        _reshaped(builder, value, _merged(own, groups)) if value in _tensors(node) else value
        for value, own in zip(operands, wide, strict=True)
    ]
    return [builder.copy(node, inputs, _merged(shape, groups))]


def _tensors(node: ir.Node) -> set[ir.Value | None]:
    """Return the inputs that have the shape of the result: the bounds of Clip have not."""
    return set(node.inputs[:1]) if node.op_type == "Clip" else set(node.inputs)


def _reshaped(builder: Builder, value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """Return a value in another shape; a constant is reshaped at once."""
    known = array_of(value)
    if known is None or known.size > 1 << 20:
        return builder.reshape(value, shape)
    return builder.constant(known.reshape(shape), "reshaped")


def _transpose(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    source = node.inputs[0]
    assert source is not None
    shape = dims(source)
    perm = permutation(node, len(shape))
    kept = [axis for axis, size in enumerate(shape) if size > 1]
    runs, moved = runs_of_transpose(kept.index(axis) for axis in perm if shape[axis] > 1)
    if len(runs) > highest:
        return Declined("axes-in-turn", f"it moves {len(runs)} axes")
    value = builder.reshape(source, _merged(shape, [[kept[place] for place in run] for run in runs]))
    if len(runs) < 2:
        return [value]
    return [builder.node("Transpose", [value], [dims(value)[place] for place in moved], perm=moved)]


def _around(shape: Sequence[int], axis: int) -> list[int]:
    """Return a shape as (before an axis, the axis, after it)."""
    return [math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])]


def _along_axis(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    """Split, Concat, Gather with a known index of at most one axis, Softmax and their like: one axis matters."""
    first = node.inputs[0]
    assert first is not None
    axis = (
        normalized_axes(node, len(dims(first)))[0]
        if "oftmax" in node.op_type
        else node_axis(node, 0, len(dims(first)))
    )
    flat = []
    for value in node.inputs if node.op_type == "Concat" else node.inputs[:1]:
        assert value is not None
        flat.append(_reshaped(builder, value, _around(dims(value), axis)))
    shapes = [_around(dims(value), axis) for value in node.outputs]
    rest: list[ir.Value | None] = [] if node.op_type == "Concat" else list(node.inputs[1:])
    if node.op_type == "Gather":
        index = node.inputs[1]
        if index is None or len(dims(index)) > 1:
            return Declined("indices-of-several-axes", "its indices have several axes")
        before, _, after = _around(dims(first), axis)
        shapes = [[before, *dims(index), after]]
    attributes = {**node.attributes, "axis": ir.AttrInt64("axis", 1)}
    return _remade(node, builder, [*flat, *rest], attributes, shapes)


def _slice(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    first = node.inputs[0]
    bounds = [array_of(value) for value in node.inputs[1:]]
    assert first is not None
    if any(bound is None for bound in bounds) or len(bounds) < 3 or bounds[2] is None or bounds[2].size != 1:
        return Declined("cuts-several-axes", "it cuts several axes, or unknown ones")
    axis = int(bounds[2].ravel()[0]) % len(dims(first))
    value = builder.reshape(first, _around(dims(first), axis))
    given = [*node.inputs[1:3], builder.constant(np.array([1], dtype=np.int64), "axis"), *node.inputs[4:]]
    shape = _around(dims(node.outputs[0]), axis)
    return _remade(node, builder, [value, *given], dict(node.attributes), [shape])


def _reduce(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    source, where = node.inputs[0], reduced_axes(node)
    assert source is not None
    shape = dims(source)
    if where is None:
        return Declined("axes-not-constant", "its axes are not constant")
    groups = _runs([axis in where for axis in range(len(shape))], shape)
    if len(groups) > highest:
        return Declined("axes-in-turn", f"it reduces {len(where)} axes that are not adjacent")
    axes = [place for place, group in enumerate(groups) if group[0] in where]
    if not axes:
        return Declined("reduces-one", "it reduces an axis of size 1")
    value = builder.reshape(source, _merged(shape, groups))
    left = [size for place, size in enumerate(dims(value)) if place not in axes]
    attributes: dict[str, ir.Attr] = {"keepdims": ir.AttrInt64("keepdims", 0)}
    inputs: list[ir.Value | None] = [value]
    if "axes" in node.attributes:
        attributes["axes"] = ir.AttrInt64s("axes", axes)
    else:
        inputs.append(builder.constant(np.array(axes, dtype=np.int64), "axes"))
    return _remade(node, builder, inputs, attributes, [left])


def _expand(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    source = node.inputs[0]
    assert source is not None
    shape = dims(node.outputs[0])
    wide = (1,) * (len(shape) - len(dims(source))) + dims(source)
    groups = _runs([size == 1 for size in wide], shape)
    if len(groups) > highest:
        return Declined("axes-in-turn", f"{len(groups)} axes are repeated in turn")
    value = _reshaped(builder, source, _merged(wide, groups))
    wanted = _merged(shape, groups)
    return [
        builder.node("Expand", [value, builder.constant(np.array(wanted, dtype=np.int64), "shape")], wanted)
    ]


def _reshape(node: ir.Node, builder: Builder, highest: int) -> list[ir.Value] | Declined:
    source = node.inputs[0]
    assert source is not None
    shape = dims(node.outputs[0])
    return [_reshaped(builder, source, shape)]


def _remade(
    node: ir.Node, builder: Builder, inputs: Sequence[ir.Value | None], attributes: Mapping[str, ir.Attr],
    shapes: Sequence[Sequence[int]],
) -> list[ir.Value]:  # fmt: skip
    """Return the outputs of a node of the same kind with other attributes, one per shape."""
    model = ir.Node(node.domain, node.op_type, [], list(attributes.values()), num_outputs=len(shapes))
    for value, old in zip(model.outputs, node.outputs, strict=True):
        value.type = ir.TensorType(ir.DataType.from_numpy(numpy_type(old)))
    first = builder.copy(model, inputs, shapes[0])
    made = first.producer()
    assert made is not None
    for value, shape in zip(made.outputs, shapes, strict=True):
        value.shape = ir.Shape(list(shape))
    return list(made.outputs)


RULES: dict[str, Rewrite] = {
    **dict.fromkeys(BY_ELEMENT, _elementwise),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), _reduce),
    **dict.fromkeys(("Split", "Concat", "Gather", "Softmax", "LogSoftmax"), _along_axis),
    **dict.fromkeys(VIEWS, _reshape),
    "Transpose": _transpose, "Slice": _slice, "Expand": _expand,
}  # fmt: skip
