"""Operators of ONNX as instructions: what the calibration's share of a model is made of, and nothing else.

An operator that is not here is named and refused: a program that computes something similar would be worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from specialize.binding.relink.assemble import (
    FLOAT64,
    Assembler,
    Draft,
    NotPortableError,
)
from specialize.binding.relink.program import DTYPES, Binary, Reduce, Unary
from specialize.binding.relink.strides import contiguous
from specialize.graph.knowledge import Knowledge
from specialize.graph.shape_arithmetic import places_in
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.subgraphs import node_reads


class Translator:
    """Translates values of a graph, each once.

    Args:
        assembler: The program in the making.
        knowledge: What is known of the graph without the calibration, and every shape.
        inputs: The calibration's inputs, as arrays of the program.
    """

    def __init__(self, assembler: Assembler, knowledge: Knowledge, inputs: Mapping[ir.Value, Draft]) -> None:
        self.assembler, self._knowledge = assembler, knowledge
        self._done: dict[ir.Value, Draft] = dict(inputs)

    def value(self, value: ir.Value) -> Draft:
        """Return a value as an array of the program.

        Raises:
            NotPortableError: It, or something that it needs, has no instruction.
        """
        stack = [value]
        while stack:
            current = stack[-1]
            if current in self._done or current in self._knowledge:
                stack.pop()
                continue
            node = current.producer()
            if node is None:
                raise NotPortableError(f"input {current.name!r}, which the calibration does not give")
            waiting = [
                each for each in node_reads(node) if each not in self._done and each not in self._knowledge
            ]
            if waiting:
                stack.extend(waiting)
            else:
                self._translate(node)
                stack.pop()
        return self._done[value] if value in self._done else self._constant(value)

    def constant(self, value: ir.Value | None) -> np.ndarray:
        """Return what is known of an operand that must not depend on the calibration."""
        if value is None or value in self._done or value not in self._knowledge:
            raise NotPortableError(f"a choice {value and value.name!r} that depends on the calibration")
        return self._knowledge.get(value)

    def _constant(self, value: ir.Value) -> Draft:
        return self.assembler.constant(np.asarray(self._knowledge.get(value)))

    def _translate(self, node: ir.Node) -> None:
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx", "com.microsoft") else None
        if rule is None:
            raise NotPortableError(f"operator {node.domain and node.domain + '.'}{node.op_type}")
        outputs = rule(self, node)
        for output, draft in zip(node.outputs, outputs, strict=False):
            if is_static(output) and tuple(dims(output)) != draft.shape:
                raise NotPortableError(f"{node.op_type} of shape {list(draft.shape)}, not {dims(output)}")
            if output.dtype is not None and DTYPES[draft.dtype] != numpy_type(output):
                raise NotPortableError(f"{node.op_type} of type {DTYPES[draft.dtype]}")
            self._done[output] = draft

    def operand(self, node: ir.Node, index: int) -> Draft:
        """Return an operand of a node."""
        value = node.inputs[index]
        assert value is not None
        return self._done[value] if value in self._done else self._constant(value)

    def optional(self, node: ir.Node, index: int, attribute: str = "") -> np.ndarray | None:
        """Return what is known of an optional operand, or of the attribute that it was in older opsets."""
        if index < len(node.inputs) and node.inputs[index] is not None:
            return self.constant(node.inputs[index])
        if attribute in node.attributes:
            return np.array(node.attributes[attribute].value)
        return None


Rule = Callable[[Translator, ir.Node], list[Draft]]


def _binary(function: Binary) -> Rule:
    def rule(translator: Translator, node: ir.Node) -> list[Draft]:
        found = translator.operand(node, 0)
        for index in range(1, len(node.inputs)):
            found = translator.assembler.binary(function, found, translator.operand(node, index))
        return [found]

    return rule


def _unary(function: Unary) -> Rule:
    return lambda translator, node: [translator.assembler.unary(function, translator.operand(node, 0))]


def _reduce(function: Reduce) -> Rule:
    def rule(translator: Translator, node: ir.Node) -> list[Draft]:
        a, axes = translator.operand(node, 0), translator.optional(node, 1, "axes")
        keep = node.attributes["keepdims"].as_int() if "keepdims" in node.attributes else 1
        chosen = range(len(a.shape)) if axes is None or not axes.size else axes.reshape(-1)
        places = sorted(int(axis) % len(a.shape) for axis in chosen)
        for axis in places:
            a = translator.assembler.reduce(function, a, axis)
        if not keep:
            a = translator.assembler.reshape(a, [n for axis, n in enumerate(a.shape) if axis not in places])
        return [a]

    return rule


def _clip(translator: Translator, node: ir.Node) -> list[Draft]:
    a = translator.operand(node, 0)
    for index, name, function in ((1, "min", Binary.MAX), (2, "max", Binary.MIN)):
        bound = translator.optional(node, index, name)
        if bound is not None:
            limit = translator.assembler.constant(np.asarray(bound, DTYPES[a.dtype]).reshape(()))
            a = translator.assembler.binary(function, a, limit)
    return [a]


def _cast(translator: Translator, node: ir.Node) -> list[Draft]:
    wanted = ir.DataType(node.attributes["to"].as_int()).numpy()
    if wanted not in DTYPES:
        raise NotPortableError(f"a cast to {wanted.name}")
    return [translator.assembler.cast(translator.operand(node, 0), DTYPES.index(wanted))]


def _shaped(translator: Translator, node: ir.Node) -> list[Draft]:
    """Reshape, Squeeze, Unsqueeze, Flatten, Identity: the same memory in the shape that the graph says."""
    return [translator.assembler.reshape(translator.operand(node, 0), dims(node.outputs[0]))]


def _transpose(translator: Translator, node: ir.Node) -> list[Draft]:
    a = translator.operand(node, 0)
    given = node.attributes.get("perm")
    order = [int(axis) for axis in given.as_ints()] if given else list(range(len(a.shape)))[::-1]
    return [translator.assembler.transpose(a, order)]


def _slice(translator: Translator, node: ir.Node) -> list[Draft]:
    a = translator.operand(node, 0)
    starts, ends = (translator.optional(node, place, name) for place, name in ((1, "starts"), (2, "ends")))
    axes, steps = translator.optional(node, 3, "axes"), translator.optional(node, 4)
    if starts is None or ends is None:
        raise NotPortableError("a Slice without bounds")
    named = range(len(starts)) if axes is None else axes.reshape(-1)
    strides, shape, offset = list(contiguous(a.shape)), list(a.shape), 0
    for place, axis in enumerate(named):
        size = a.shape[int(axis)]
        step = 1 if steps is None else int(steps.reshape(-1)[place])
        begin, end = (int(np.clip(each.reshape(-1)[place], -(1 << 62), 1 << 62)) for each in (starts, ends))
        first, last, step = slice(begin, None if step < 0 and end < -size else end, step).indices(size)
        shape[int(axis)] = len(range(first, last, step))
        offset += first * strides[int(axis)]
        strides[int(axis)] *= step
    return [translator.assembler.copy(a, shape, strides, offset)]


def _split(translator: Translator, node: ir.Node) -> list[Draft]:
    a, at, found = translator.operand(node, 0), 0, []
    axis = (node.attributes["axis"].as_int() if "axis" in node.attributes else 0) % len(a.shape)
    strides = contiguous(a.shape)
    for output in node.outputs:
        shape = dims(output)
        found.append(translator.assembler.copy(a, shape, strides, at * strides[axis]))
        at += shape[axis]
    return found


def _gather(translator: Translator, node: ir.Node) -> list[Draft]:
    a, index = translator.operand(node, 0), translator.constant(node.inputs[1])
    axis = (node.attributes["axis"].as_int() if "axis" in node.attributes else 0) % len(a.shape)
    places = places_in(index.reshape(-1), a.shape[axis])
    if places is None:
        raise NotPortableError("an index outside of its axis")
    taken = translator.assembler.take(a, translator.assembler.ints(places.tolist()), axis)
    shape = (*a.shape[:axis], *index.shape, *a.shape[axis + 1 :])
    return [translator.assembler.reshape(taken, shape)]


def _concat(translator: Translator, node: ir.Node) -> list[Draft]:
    parts = [translator.operand(node, index) for index in range(len(node.inputs))]
    axis = node.attributes["axis"].as_int() % len(parts[0].shape)
    return [translator.assembler.concat(parts, axis)]


def _expand(translator: Translator, node: ir.Node) -> list[Draft]:
    a = translator.operand(node, 0)
    return [translator.assembler.expand(a, dims(node.outputs[0]))]


def _where(translator: Translator, node: ir.Node) -> list[Draft]:
    condition, a, b = (translator.operand(node, index) for index in range(3))
    return [translator.assembler.where(condition, a, b)]


def _matmul(translator: Translator, node: ir.Node) -> list[Draft]:
    return [translator.assembler.matmul(translator.operand(node, 0), translator.operand(node, 1))]


def _inverse(translator: Translator, node: ir.Node) -> list[Draft]:
    """Matrices are inverted in float64: then rounding is the same to within the result's own.

    Smaller ones than 4x4 stand in the corner of the identity: their columns have the same pivots.
    """
    a, make = translator.operand(node, 0), translator.assembler
    wide, (*lead, k, _) = make.cast(a, FLOAT64), a.shape
    if k > 4:
        raise NotPortableError(f"an inverse of {k}x{k}")
    count = int(np.prod(lead, dtype=np.int64))
    if k < 4:
        right, below = np.zeros((count, k, 4 - k)), np.eye(4)[k:] + np.zeros((count, 1, 1))
        rows = make.concat([make.reshape(wide, (count, k, k)), make.constant(right)], 2)
        wide = make.concat([rows, make.constant(below)], 1)
    inverse = make.copy(make.inverse(make.reshape(wide, (count, 4, 4))), (count, k, k), (16, 4, 1))
    return [make.reshape(make.cast(inverse, a.dtype), a.shape)]


RULES: Mapping[str, Rule] = {
    "Abs": _unary(Unary.ABS),
    "Add": _binary(Binary.ADD),
    "And": _binary(Binary.AND),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _binary(Binary.DIV),
    "Equal": _binary(Binary.EQUAL),
    "Expand": _expand,
    "Flatten": _shaped,
    "Floor": _unary(Unary.FLOOR),
    "Gather": _gather,
    "Greater": _binary(Binary.GREATER),
    "GreaterOrEqual": _binary(Binary.GREATER_EQUAL),
    "Identity": _shaped,
    "Inverse": _inverse,
    "Less": _binary(Binary.LESS),
    "LessOrEqual": _binary(Binary.LESS_EQUAL),
    "MatMul": _matmul,
    "Max": _binary(Binary.MAX),
    "Min": _binary(Binary.MIN),
    "Mul": _binary(Binary.MUL),
    "Neg": _unary(Unary.NEG),
    "Not": _unary(Unary.NOT),
    "Or": _binary(Binary.OR),
    "Reciprocal": _unary(Unary.RECIPROCAL),
    "ReduceMax": _reduce(Reduce.MAX),
    "ReduceMin": _reduce(Reduce.MIN),
    "ReduceSum": _reduce(Reduce.SUM),
    "Reshape": _shaped,
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _unary(Unary.SQRT),
    "Squeeze": _shaped,
    "Sub": _binary(Binary.SUB),
    "Transpose": _transpose,
    "Unsqueeze": _shaped,
    "Where": _where,
}
"""How each operator is translated."""
