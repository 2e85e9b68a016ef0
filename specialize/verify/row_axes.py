"""Where the rows of a node's inputs are if its output is wanted for some rows only.

A row of an output is one place along one of its axes. For operators that compute each row from the same row of their
inputs, or from all of an input, this says along which axis. Where it says nothing, the node is run on all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

Axes = tuple[int | None, ...]
"""Axis of the rows of each input; None for an input that is wanted whole."""

EACH = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Expand", "Floor",
    "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual",
    "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign",
    "Sin", "Softplus", "Sqrt", "Sub", "Tanh", "Where",
})  # fmt: skip
"""Operators that compute every element from the elements at its place, inputs broadcast."""
RESHAPES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
SUMS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})
SOFTMAX_OF_ONE_AXIS = 13
"""Opset from which Softmax is about one axis; before, about all from one on."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of a graph before it runs.

    Attributes:
        shapes: Shape of each value, where every size is a number.
        numbers: Content of the constants of few numbers, by name.
        opset: Version of the standard operators.
    """

    shapes: Mapping[str, tuple[int, ...]]
    numbers: Mapping[str, np.ndarray]
    opset: int

    def integers(self, node: onnx.NodeProto, name: str, place: int) -> list[int] | None:
        """Return integers that are an attribute, or since some opset an input; None if they are not known."""
        for attribute in node.attribute:
            if attribute.name == name:
                return list(attribute.ints)
        if place >= len(node.input) or node.input[place] not in self.numbers:
            return None
        return [int(number) for number in self.numbers[node.input[place]].reshape(-1)]

    def integer(self, node: onnx.NodeProto, name: str, default: int) -> int:
        """Return an integer attribute."""
        return next((each.i for each in node.attribute if each.name == name), default)


def input_axes(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    """Return along which axes a node's inputs have the rows that its first output has along one; None if unknown."""
    names = [*node.input, node.output[0]]
    if node.domain not in ("", "ai.onnx") or any(name and name not in facts.shapes for name in names):
        return None
    rule = _RULES.get(node.op_type)
    return None if rule is None else rule(node, axis, facts)


def _each(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    """Each element from the elements at its place: inputs of fewer axes lack the first ones."""
    read = node.input[:1] if node.op_type in ("Clip", "Expand") else node.input
    wanted = [_aligned(name, node.output[0], axis, facts) if name else None for name in read]
    return (*wanted, *[None] * (len(node.input) - len(read)))


def _aligned(name: str, output: str, axis: int, facts: Facts) -> int | None:
    shape = facts.shapes[name]
    place = axis - (len(facts.shapes[output]) - len(shape))
    return place if place >= 0 and shape[place] == facts.shapes[output][axis] else None


def _same_order(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    """A view: its axis is one of the input's if as many elements are before it, and it is as long."""
    if node.op_type == "Squeeze" and facts.integers(node, "axes", 1) is None:
        return None  # of a single row it would remove that axis, too
    before, after = facts.shapes[node.input[0]], facts.shapes[node.output[0]]
    places = [
        place
        for place, size in enumerate(before)
        if size == after[axis] and math.prod(before[:place]) == math.prod(after[:axis])
    ]
    return (places[0], *[None] * (len(node.input) - 1)) if places else None


def _transpose(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    order = facts.integers(node, "perm", 1)
    return (order[axis] if order else len(facts.shapes[node.input[0]]) - 1 - axis,)


def _product(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    first, second, result = (facts.shapes[name] for name in (*node.input[:2], node.output[0]))
    if len(first) < 2 or len(second) < 2 or axis == len(result) - 1:
        return None
    if axis == len(result) - 2:
        return len(first) - 2, None
    return _each(node, axis, facts)


def _affine(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    if axis != 0 or facts.integer(node, "transA", 0):
        return None
    added = [_aligned(name, node.output[0], axis, facts) if name else None for name in node.input[2:]]
    return (0, None, *added)


def _softmax(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    rank, one = len(facts.shapes[node.input[0]]), facts.opset >= SOFTMAX_OF_ONE_AXIS
    own = facts.integer(node, "axis", -1 if one else 1) % rank
    return (axis,) if axis < own or (one and axis != own) else None


def _normalized(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    rank = len(facts.shapes[node.input[0]])
    before = axis < facts.integer(node, "axis", -1) % rank
    return (axis, *[None] * (len(node.input) - 1)) if before else None


def _reduced(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    axes, rank = facts.integers(node, "axes", 1), len(facts.shapes[node.input[0]])
    if not axes:
        return None
    gone = {each % rank for each in axes}
    left = [place for place in range(rank) if place not in gone]
    if facts.integer(node, "keepdims", 1):
        return (axis, *[None] * (len(node.input) - 1)) if axis in left else None
    return left[axis], *[None] * (len(node.input) - 1)


def _joined(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    own = facts.integer(node, "axis", 0) % len(facts.shapes[node.output[0]])
    return (axis,) * len(node.input) if axis != own else None


def _split(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    own = facts.integer(node, "axis", 0) % len(facts.shapes[node.input[0]])
    return (axis, *[None] * (len(node.input) - 1)) if axis != own else None


def _picked(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    """Rows are those of what is picked from; what is picked along another axis does not matter."""
    own = facts.integer(node, "axis", 0) % len(facts.shapes[node.input[0]])
    picks = len(facts.shapes[node.input[1]])
    if axis < own:
        return axis, None
    return (axis - picks + 1, None) if axis >= own + picks else None


def _sliced(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    axes, rank = facts.integers(node, "axes", 3), len(facts.shapes[node.input[0]])
    if axes is None or axis in {each % rank for each in axes}:
        return None
    return (axis, *[None] * (len(node.input) - 1))


def _sampled(node: onnx.NodeProto, axis: int, facts: Facts) -> Axes | None:
    """An image (N, C, H, W) at places (N, H', W', 2): rows are places."""
    return (None, axis - 1) if axis in (2, 3) and len(facts.shapes[node.output[0]]) == 4 else None


_RULES: dict[str, Callable[[onnx.NodeProto, int, Facts], Axes | None]] = {
    **dict.fromkeys(EACH, _each),
    **dict.fromkeys(RESHAPES, _same_order),
    **dict.fromkeys(SUMS, _reduced),
    "Transpose": _transpose,
    "MatMul": _product,
    "Gemm": _affine,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "LayerNormalization": _normalized,
    "Concat": _joined,
    "Split": _split,
    "Gather": _picked,
    "Slice": _sliced,
    "GridSample": _sampled,
}
