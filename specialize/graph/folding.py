"""Constant folding by partial evaluation: what a graph computes from constants alone, and the shape of everything else.

One walk in topological order, as a partial evaluator does it: a node whose inputs are all known is computed,
every other node stays and gets the shapes that its inputs imply. Values are computed by ONNX Runtime,
with its graph rewrites off, so that a constant is what the runtime would have computed from it; and as late as
possible, in few sessions, so that nothing is computed that neither a shape nor the rest of the graph needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.errors import InputError
from specialize.graph import budget, shape_arithmetic, shapes, subgraphs
from specialize.graph.knowledge import SMALL, Knowledge
from specialize.graph.provenance import copy_marks, hand_on

IMPURE = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)

SEQUENCES = frozenset(
    {
        "Optional",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceMap",
        "SplitToSequence",
    }
)
"""Operators whose results are no tensors."""

RUNNABLE = frozenset({"FastGelu", "Gelu", "GridSample", "Inverse", "QuickGelu"})
"""Operators of `com.microsoft` that ONNX Runtime computes; what other domains compute only their vendors know."""


def evaluate(model: ir.Model) -> Knowledge:
    """Walk the main graph once: learn what is known and set the type and shape of every value.

    `If` with a known condition is replaced by its branch.

    Raises:
        InputError: A node contradicts its inputs, or an operator is not one of the declared opset.
    """
    knowledge = Knowledge(dict(model.opset_imports), model.ir_version)
    inference = shapes.ShapeInference(knowledge, dict(model.opset_imports), model.ir_version)
    for node in model.graph:
        hand_on(node)
        if node.op_type == "If" and node.domain in shapes.STANDARD and node.inputs[0] in knowledge:
            subgraphs.inline_branch(model.graph, node, _condition(node, knowledge))
        elif not _learn_shape(node, knowledge) and not _learn_number(node, knowledge):
            inference.infer(node)
            _classify(node, knowledge)
    return knowledge


@dataclass(frozen=True, slots=True)
class Folded:
    """What folding did to a graph.

    Attributes:
        removed: How many nodes fewer there are.
        large: Nodes that stay because of the size of what they make, by name, and that size in bytes.
    """

    removed: int
    large: tuple[tuple[str, int], ...]


def fold(model: ir.Model) -> Folded:
    """Replace everything that is known by constants.

    Raises:
        InputError: As `evaluate`; or the constants ask for more work than `budget` allows.
    """
    knowledge = evaluate(model)
    frontier = list(_frontier(model.graph, knowledge))
    knowledge.compute(frontier)
    for value in frontier:
        node = value.producer()
        if node is not None:
            _make_constant(model.graph, value, knowledge.peek(value))
    before = len(model.graph)
    subgraphs.remove_dead(model.graph)
    large = (
        (node.name or node.op_type, size) for node, size in knowledge.large.items() if node.graph is not None
    )
    return Folded(before - len(model.graph), tuple(large))


def _classify(node: ir.Node, knowledge: Knowledge) -> None:
    """Defer a node whose inputs are all known; compute it at once if its shape cannot be had otherwise."""
    if not _is_computable(node) or not all(value in knowledge for value in subgraphs.node_reads(node)):
        return
    size = _largest_bytes(node)
    if size > budget.VALUE_BYTES:
        knowledge.large[node] = size
    elif all(shapes.is_static(value) for value in node.outputs if value.name):
        knowledge.defer(node)
    else:
        named = [value for value in node.outputs if value.name]
        knowledge.defer(node)
        knowledge.compute(named)
        for value in named:
            shapes.set_like(value, knowledge.peek(value))


def _largest_bytes(node: ir.Node) -> int:
    """Return the size of the largest result of a node, as far as it can be told before it is computed."""
    static = [shapes.byte_size(value) for value in node.outputs if value.dtype and shapes.is_static(value)]
    source = node.inputs[0] if node.inputs else None
    if node.op_type == "NonZero" and source is not None and shapes.is_static(source):
        static.append(8 * len(shapes.dims(source)) * math.prod(shapes.dims(source)))  # if nothing is zero
    return max(static, default=0)


def _is_computable(node: ir.Node) -> bool:
    if any(
        value is not None and value.dtype == ir.DataType.STRING for value in (*node.inputs, *node.outputs)
    ):
        return False  # numbers only: text is no calibration
    if node.domain == "com.microsoft":
        return node.op_type in RUNNABLE
    return node.domain in shapes.STANDARD and node.op_type not in IMPURE | SEQUENCES


def _condition(node: ir.Node, knowledge: Knowledge) -> bool:
    """Return the known condition of an `If`."""
    array = knowledge.get(_required(node.inputs[0]))
    if array.size != 1:
        raise InputError(f"node {node.name or node.op_type!r}", "one condition", f"{array.size} of them")
    return bool(array.item())


def _learn_shape(node: ir.Node, knowledge: Knowledge) -> bool:
    """Learn the result of `Shape` or `Size` of a value whose shape is static, known or not."""
    if node.op_type not in ("Shape", "Size") or node.domain not in ("", "ai.onnx"):
        return False
    source = _required(node.inputs[0])
    if not shapes.is_static(source):
        return False
    dims = np.array(shapes.dims(source), dtype=np.int64)
    if node.op_type == "Size":
        array = np.array(math.prod(shapes.dims(source)), dtype=np.int64)
    else:
        start = node.attributes["start"].as_int() if "start" in node.attributes else 0
        end = node.attributes["end"].as_int() if "end" in node.attributes else len(dims)
        array = dims[start:end]
    knowledge.learn(node.outputs[0], array)
    shapes.set_like(node.outputs[0], array)
    return True


def _learn_number(node: ir.Node, knowledge: Knowledge) -> bool:
    """Learn the result of shape arithmetic on few known numbers at once: most nodes of many exports are that."""
    if (
        node.op_type not in shape_arithmetic.FUNCTIONS
        or node.domain not in shapes.STANDARD
        or len(node.outputs) != 1
    ):
        return False
    result, arrays = node.outputs[0], []
    for value in node.inputs:
        if value is None or value not in knowledge or not knowledge.is_computed(value):
            return False
        arrays.append(knowledge.peek(value))
    if any(array.size > SMALL for array in arrays):
        return False
    dtype = shape_arithmetic.result_type(node)
    if dtype is None:
        return False
    result.type = ir.TensorType(dtype)
    try:
        if not shape_arithmetic.can_compute(node) or not shape_arithmetic.is_few(node, arrays, SMALL):
            return False
        array = shape_arithmetic.compute(node, arrays)
    except shape_arithmetic.CONTRADICTIONS:  # the node contradicts its inputs: shape inference says how
        return False
    knowledge.learn(result, array)
    shapes.set_like(result, array)
    return True


def _frontier(graph: ir.Graph, knowledge: Knowledge) -> Iterable[ir.Value]:
    """Yield the known values that an unknown node or the graph's output reads."""
    seen: set[ir.Value] = set()
    for node in graph:
        if not node.outputs or node.outputs[0] in knowledge:
            continue
        for value in subgraphs.node_reads(node):
            if value in knowledge and value not in seen:
                seen.add(value)
                yield value
    for value in graph.outputs:
        if value in knowledge and value not in seen and not _is_constant(value):
            seen.add(value)
            yield value


def _make_constant(graph: ir.Graph, value: ir.Value, array: np.ndarray) -> None:
    constant = ir.Value(
        name=subgraphs.fresh_name(graph, f"{value.name}_known"),
        type=ir.TensorType(value.dtype or ir.DataType.from_numpy(array.dtype)),
        shape=ir.Shape(array.shape),
        const_value=ir.Tensor(np.asarray(array, order="C")),
    )
    graph.register_initializer(constant)
    copy_marks(value, constant)
    if value.is_graph_output():
        node = ir.node("Identity", [constant], name=f"{value.name}_constant")
        replaced = node.outputs[0]
        graph.append(node)
        ir.convenience.replace_all_uses_with(value, replaced, replace_graph_outputs=True)
        value.name, replaced.name = f"{value.name}_folded", value.name
        replaced.type, replaced.shape = constant.type, constant.shape
    else:
        ir.convenience.replace_all_uses_with(value, constant)


def _is_constant(value: ir.Value) -> bool:
    """Return whether an output of the graph is a constant already, by name through an Identity."""
    node = value.producer()
    if node is None or node.op_type != "Identity" or node.inputs[0] is None:
        return False
    return node.inputs[0].const_value is not None


def _required(value: ir.Value | None) -> ir.Value:
    assert value is not None
    return value
