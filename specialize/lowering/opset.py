"""Lower opset: write a graph in an older version of the standard operators.

What: LayerNormalization, sums with axes as an input, Softmax along one axis, GridSample ...  ->  what that opset has.
Why it is sound: each rule writes the definition of the newer operator; an operator whose definition did not change
    stays; one that changed in the types it takes stays if its types were there already.
Needs: fold, so that axes and sizes are constants.
Declines when: an operator did not exist then and has no rule; an input that became an attribute is not constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.custom import is_custom
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.notes import Note
from specialize.graph.ops import number, text
from specialize.graph.rewrite import Outcome, Rewritten, Rule, apply
from specialize.graph.shapes import dims, numpy_type
from specialize.graph.snippets import plus, times
from specialize.lowering.sampling import GRID_SAMPLE_OPSET, spell_out

NAME = "lower_opset"

Rewrite = Callable[[ir.Node, Builder, int], ir.Value | Declined | None]
"""Returns what replaces the node's output, None if the node may stay as it is now, or why neither can be."""

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE})

TYPES_ONLY = frozenset({
    "Abs", "Add", "And", "ArgMax", "Atan", "AveragePool", "Cast", "Ceil", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "ConvTranspose", "Cos", "CumSum", "DepthToSpace", "Div", "Equal", "Erf",
    "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "Gemm", "GlobalAveragePool",
    "Greater", "HardSigmoid", "Identity", "InstanceNormalization", "IsNaN", "LeakyRelu", "Less", "Log", "MatMul",
    "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "Or", "PRelu", "Pad", "Pow", "Reciprocal",
    "Relu", "Round", "Sigmoid", "Sign", "Sin", "Slice", "Softplus", "SpaceToDepth", "Sqrt", "Sub", "Sum",
    "Tan", "Tanh", "Tile", "TopK", "Transpose", "Where", "Xor",
})  # fmt: skip
"""Operators whose newer versions only take further types, from opset 11 on."""

ONLY_FLOATS = frozenset({"Clip", "Max", "Min", "Pow"})
"""Of those, the ones that took floats alone in opset 11."""


def lower_opset(model: ir.Model, opset: int) -> list[Note]:
    """Write a graph in an older opset, in place; it stays as it is if something stands in the way."""
    have = model.graph.opset_imports.get("", opset)
    if have <= opset:
        return []
    copy = model.clone()  # half a graph in one opset and half in another is none
    declined = apply(copy, _to(have, opset))
    if declined:
        return declined
    model.graph = copy.graph
    model.graph.opset_imports[""] = opset
    model.graph.opset_imports.pop("ai.onnx", None)
    return [Note(NAME, "applied", "graph", f"opset {have} to {opset}")]


def _to(have: int, opset: int) -> Rule:
    """Return the rule that rewrites every node that is another one in the older opset."""

    def rewrite(node: ir.Node, builder: Builder) -> Outcome:
        if is_custom(node) or _unchanged(node.op_type, have, opset):
            return None
        made = RULES.get(node.op_type, _same)(node, builder, opset)
        return made if isinstance(made, Declined) else Rewritten((), () if made is None else (made,))

    return Rule(name=NAME, rewrite=rewrite, title=f"{{operator}} in opset {opset}")


def _unchanged(operator: str, have: int, opset: int) -> bool:
    """Return whether an operator is the same in both opsets."""
    try:
        return bool(
            onnx.defs.get_schema(operator, have, "").since_version
            == onnx.defs.get_schema(operator, opset, "").since_version
        )
    except onnx.defs.SchemaError:
        return False


def _same(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    if node.op_type not in TYPES_ONLY:
        return Declined("no-operator", "there is no such operator, and no other way to write it is known")
    first = node.inputs[0] if node.inputs else None
    if opset < 12 and node.op_type in ONLY_FLOATS and first is not None and first.dtype not in FLOATS:
        return Declined("type", f"it takes no {first.dtype.name if first.dtype else 'unknown type'}")
    for attribute, since in (("allowzero", 14), ("reduction", 16), ("batch_dims", 12)):
        if attribute in node.attributes and opset < since:
            return Declined("attribute", f"it has no {attribute}")
    return None


def _reshape(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    shape, allow = array_of(node.inputs[1]), node.attributes.get("allowzero")
    if allow is not None and allow.as_int() and opset < 14 and (shape is None or (shape == 0).any()):
        return Declined("attribute", "it has no allowzero")
    node.attributes.pop("allowzero", None)
    return None


def _axes(since: int) -> Rewrite:
    """Return a rule for operators whose axes became an input."""

    def rule(node: ir.Node, builder: Builder, opset: int) -> ir.Value | Declined | None:
        if opset >= since or len(node.inputs) < 2 or node.inputs[1] is None:
            return None
        known = array_of(node.inputs[1])
        if known is None:
            return Declined("axes-not-constant", "its axes are not constant")
        attributes: dict[str, int | list[int]] = {
            name: node.attributes[name].as_int() for name in ("keepdims",) if name in node.attributes
        }
        attributes["axes"] = _from_front(node, [int(axis) for axis in known.ravel()])
        return builder.node(node.op_type, node.inputs[:1], dims(node.outputs[0]), dtype=None, **attributes)  # type: ignore[arg-type]

    return rule


def _from_front(node: ir.Node, axes: list[int]) -> list[int]:
    """Return axes counted from the front: opset 11 takes no negative ones everywhere."""
    assert node.inputs[0] is not None
    source = node.outputs[0] if node.op_type == "Unsqueeze" else node.inputs[0]
    return sorted(axis % max(1, len(dims(source))) for axis in axes)


def _split(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    node.attributes.pop("num_outputs", None)
    axis = node_axis(node, 0, len(dims(node.outputs[0])))
    if opset < 13:
        sizes = [dims(output)[axis] for output in node.outputs]
        node.attributes["split"] = ir.AttrInt64s("split", sizes)
        node.resize_inputs(1)
    node.attributes["axis"] = ir.AttrInt64("axis", axis)
    return None


def _softmax(node: ir.Node, builder: Builder, opset: int) -> ir.Value | Declined | None:
    """Softmax along one axis; before opset 13 it is along all axes from one on, so that axis must be the last."""
    source = node.inputs[0]
    assert source is not None
    shape = dims(source)
    axis, last = node_axis(node, -1, len(shape)), len(shape) - 1
    if axis == last:
        return builder.node(node.op_type, [source], shape, axis=last)
    order = [place if place not in (axis, last) else axis + last - place for place in range(len(shape))]
    turned = [shape[place] for place in order]
    moved = builder.node("Transpose", [source], turned, perm=order)
    return builder.node(
        "Transpose", [builder.node(node.op_type, [moved], turned, axis=last)], shape, perm=order
    )


def _layer_norm(node: ir.Node, builder: Builder, opset: int) -> ir.Value | Declined | None:
    """(x - mean) / sqrt(mean of squares + epsilon) * scale + bias."""
    source, scale = node.inputs[0], node.inputs[1]
    assert source is not None and scale is not None
    shape = dims(source)
    if any(output.uses() for output in node.outputs[1:]):
        return Declined("statistics", "its mean is used")
    axes = list(range(node_axis(node, -1, len(shape)), len(shape)))
    mean_shape = [1 if place in axes else size for place, size in enumerate(shape)]
    epsilon = number(node, "epsilon")
    mean = builder.node("ReduceMean", [source], mean_shape, axes=axes, keepdims=1)
    centred = builder.node("Sub", [source, mean], shape)
    variance = builder.node(
        "ReduceMean", [times(builder, centred, centred)], mean_shape, axes=axes, keepdims=1
    )
    small = builder.constant(np.array(epsilon, dtype=numpy_type(source)), "epsilon")
    spread = builder.node("Sqrt", [plus(builder, variance, small)], mean_shape)
    result = times(builder, builder.node("Div", [centred, spread], shape), scale)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return result if bias is None else plus(builder, result, bias)


def _hard_swish(node: ir.Node, builder: Builder, opset: int) -> ir.Value:
    source = node.inputs[0]
    assert source is not None
    gate = builder.node("HardSigmoid", [source], dims(source), alpha=1 / 6, beta=0.5)
    return times(builder, source, gate)


def _gelu(node: ir.Node, builder: Builder, opset: int) -> ir.Value | Declined:
    source = node.inputs[0]
    assert source is not None
    if text(node, "approximate") != "none":
        return Declined("approximation", "its approximation has no rule")
    root, half, one = (builder.constant(np.float32(number), "number") for number in (np.sqrt(0.5), 0.5, 1.0))
    erf = builder.node("Erf", [times(builder, source, root)], dims(source))
    return times(builder, times(builder, source, half), plus(builder, erf, one))


def _negated(opposite: str) -> Rewrite:
    def rule(node: ir.Node, builder: Builder, opset: int) -> ir.Value | None:
        if opset >= 12:
            return None
        shape = dims(node.outputs[0])
        found = builder.node(opposite, list(node.inputs), shape, dtype=ir.DataType.BOOL)
        return builder.node("Not", [found], shape)

    return rule


def _batch_norm(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    mode = node.attributes.get("training_mode")
    if mode is not None and mode.as_int():
        return Declined("trains", "it trains")
    node.attributes.pop("training_mode", None)
    return None


def _resize(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    """Resize: opset 11 requires a region of interest, which may be empty."""
    for name, plain in (("antialias", 0), ("exclude_outside", 0)):
        if name in node.attributes and node.attributes[name].as_int() != plain:
            return Declined("attribute", f"it has no {name}")
    policy = node.attributes.pop("keep_aspect_ratio_policy", None)
    if policy is not None and policy.as_string() != "stretch":
        return Declined("attribute", "it has no aspect ratio")
    if "axes" in node.attributes and not _resize_all_axes(node, builder):
        return Declined("attribute", "it has no axes")
    node.attributes.pop("antialias", None)
    if opset < 13 and node.inputs[1] is None:
        node.replace_input_with(1, builder.constant(np.zeros(0, dtype=np.float32), "roi"))
    if opset < 13 and node.inputs[2] is None:
        node.replace_input_with(2, builder.constant(np.zeros(0, dtype=np.float32), "scales"))
    return None


def _resize_all_axes(node: ir.Node, builder: Builder) -> bool:
    """Give scales or sizes of some axes for all axes; return whether they are known and that can be done."""
    source = node.inputs[0]
    assert source is not None
    shape = dims(source)
    axes = [axis % len(shape) for axis in node.attributes["axes"].as_ints()]
    for place, rest in ((2, np.ones(len(shape), np.float32)), (3, np.array(shape, np.int64))):
        given = array_of(node.inputs[place]) if place < len(node.inputs) else None
        if given is None or not given.size:
            continue
        rest[axes] = given.ravel()
        node.replace_input_with(place, builder.constant(rest, "sizes"))
        del node.attributes["axes"]
        return True
    return False


REDUCTIONS_OPSET = 16
"""From this opset on scatters add and multiply; the smallest and largest came later."""


def _scatter(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    how = text(node, "reduction")
    if how != "none" and (opset < REDUCTIONS_OPSET or how not in ("add", "mul")):
        return Declined("reduction", f"it has no reduction {how}")
    if how == "none":
        node.attributes.pop("reduction", None)
    return None


def _grid_sample(node: ir.Node, builder: Builder, opset: int) -> Declined | None:
    if opset < GRID_SAMPLE_OPSET:
        return Declined("no-operator", "there is no such operator, and no other way to write it is known")
    if len(dims(node.outputs[0])) != 4:
        return Declined("volumes", "it reads no volumes")
    spell_out(node, opset)
    return None


RULES: Mapping[str, Rewrite] = {
    "ReduceSum": _axes(13), "Squeeze": _axes(13), "Unsqueeze": _axes(13),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"), _axes(18)),
    "Reshape": _reshape, "Split": _split, "Softmax": _softmax, "LogSoftmax": _softmax,
    "LayerNormalization": _layer_norm, "HardSwish": _hard_swish, "Gelu": _gelu, "LessOrEqual": _negated("Greater"),
    "GreaterOrEqual": _negated("Less"), "BatchNormalization": _batch_norm, "Resize": _resize,
    "ScatterND": _scatter, "ScatterElements": _scatter, "GridSample": _grid_sample,
}  # fmt: skip
