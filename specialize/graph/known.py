"""Partial evaluation: what a graph computes from constants alone, and the shape of everything else.

One walk in topological order, as a partial evaluator does it: a node whose inputs are all known is computed,
every other node stays and gets the shapes that its inputs imply. Values are computed by ONNX Runtime,
with its graph rewrites off, so that a constant is what the runtime would have computed from it; and as late as
possible, in few sessions, so that nothing is computed that neither a shape nor the rest of the graph needs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from specialize.graph import integers, running, shapes

SMALL = 1024
"""Elements up to which a known value is computed together with others that shapes ask for."""

LARGEST_BYTES = 1 << 30
"""A known value above this size stays a node: folding it would make the file larger than it is worth."""

IMPURE = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)

RUNNABLE = frozenset({"FastGelu", "Gelu", "GridSample", "Inverse", "QuickGelu"})
"""Operators of `com.microsoft` that ONNX Runtime computes; what other domains compute only their vendors know."""


class Knowledge:
    """The values of a graph that depend on constants alone; computed when somebody asks."""

    def __init__(self, opset_imports: dict[str, int], ir_version: int) -> None:
        self._arrays: dict[ir.Value, np.ndarray] = {}
        self._pending: dict[ir.Value, None] = {}
        self._opsets = opset_imports
        self._ir_version = ir_version

    def __contains__(self, value: ir.Value | None) -> bool:
        """Return whether the value is known; an absent optional input is."""
        return (
            value is None or value in self._arrays or value in self._pending or value.const_value is not None
        )

    def learn(self, value: ir.Value, array: np.ndarray) -> None:
        """Record a value that needs no computation, such as a shape."""
        self._arrays[value] = array

    def defer(self, node: ir.Node) -> None:
        """Record that a node's outputs are known, without computing them yet."""
        for output in node.outputs:
            self._pending[output] = None

    def get(self, value: ir.Value) -> np.ndarray:
        """Return a known value, computing it first if need be."""
        if value not in self._arrays and value in self._pending and not self._count(value):
            small = [other for other in self._pending if _is_small(other)]
            self.compute([value, *small])
        return self.peek(value)

    def is_computed(self, value: ir.Value) -> bool:
        """Return whether a known value can be had without computing anything."""
        return value not in self._pending

    def peek(self, value: ir.Value) -> np.ndarray:
        """Return a value that has been computed, or a constant of the graph."""
        if value not in self._arrays:
            assert value.const_value is not None, value.name
            if value.const_value.size > SMALL:
                return value.const_value.numpy()
            self._arrays[value] = value.const_value.numpy()
        return self._arrays[value]

    def compute(self, wanted: Iterable[ir.Value]) -> None:
        """Compute the wanted values in one session of ONNX Runtime."""
        outputs = [
            value for value in dict.fromkeys(wanted) if value in self._pending and not self._count(value)
        ]
        if not outputs:
            return
        nodes, roots = self._ancestors(outputs)
        feeds = {f"v{index}": self.peek(root) for index, root in enumerate(roots)}
        model = running.program(
            nodes, dict(zip(roots, feeds, strict=True)), outputs, self._opsets, self._ir_version
        )
        for value, array in zip(outputs, running.run(model, running.baked(model, feeds), nodes), strict=True):
            self._arrays[value] = array
            del self._pending[value]

    def _count(self, value: ir.Value) -> bool:
        """Compute a value that shape arithmetic gives, and all on the way to it; return whether it does."""
        nodes, _ = self._ancestors([value])
        if not all(integers.can_compute(node) for node in nodes):
            return False
        for node in nodes:
            arrays = [self.peek(source) for source in node.inputs if source is not None]
            try:
                self._arrays[node.outputs[0]] = integers.compute(node, arrays)
            except integers.CONTRADICTIONS as error:
                place = f"node {node.name or node.op_type!r}"
                raise shapes.ShapeError(place, f"inputs that fit {node.op_type}", str(error)) from error
            del self._pending[node.outputs[0]]
        return True

    def _ancestors(self, outputs: list[ir.Value]) -> tuple[list[ir.Node], list[ir.Value]]:
        """Return the pending nodes that the outputs need, in order, and the values those start from."""
        nodes: dict[ir.Node, None] = {}
        roots: dict[ir.Value, None] = {}
        stack: list[tuple[ir.Value, bool]] = [(value, False) for value in reversed(outputs)]
        while stack:
            value, done = stack.pop()
            node = value.producer()
            if value not in self._pending or node is None:
                roots[value] = None
            elif done:
                nodes[node] = None
            elif node not in nodes:
                stack.append((value, True))
                stack.extend((other, False) for other in reversed(shapes.node_reads(node)))
        return list(nodes), list(roots)


def evaluate(model: ir.Model) -> Knowledge:
    """Walk the main graph once: learn what is known and set the type and shape of every value.

    `If` with a known condition is replaced by its branch.

    Raises:
        InputError: A node contradicts its inputs, or an operator is not one of the declared opset.
    """
    knowledge = Knowledge(dict(model.opset_imports), model.ir_version)
    inference = shapes.ShapeInference(knowledge, dict(model.opset_imports), model.ir_version)
    for node in model.graph:
        if node.op_type == "If" and node.inputs[0] in knowledge:
            shapes.inline_branch(model.graph, node, bool(knowledge.get(_required(node.inputs[0]))))
        elif not _learn_shape(node, knowledge) and not _learn_number(node, knowledge):
            inference.infer(node)
            _classify(node, knowledge)
    return knowledge


def fold(model: ir.Model) -> int:
    """Replace everything that is known by constants; return how many nodes that removes."""
    knowledge = evaluate(model)
    frontier = list(_frontier(model.graph, knowledge))
    knowledge.compute(frontier)
    for value in frontier:
        node = value.producer()
        if node is not None:
            _make_constant(model.graph, value, knowledge.peek(value))
    before = len(model.graph)
    shapes.remove_dead(model.graph)
    return before - len(model.graph)


def _classify(node: ir.Node, knowledge: Knowledge) -> None:
    """Defer a node whose inputs are all known; compute it at once if its shape cannot be had otherwise."""
    if not _is_computable(node) or not all(value in knowledge for value in shapes.node_reads(node)):
        return
    if not all(shapes.is_static(value) for value in node.outputs if value.name):
        knowledge.defer(node)
        knowledge.compute(value for value in node.outputs if value.name)
        for value in node.outputs:
            shapes.set_like(value, knowledge.peek(value))
    elif all(shapes.byte_size(value) <= LARGEST_BYTES for value in node.outputs):
        knowledge.defer(node)


def _is_computable(node: ir.Node) -> bool:
    if node.domain == "com.microsoft":
        return node.op_type in RUNNABLE
    return node.domain in shapes.STANDARD and node.op_type not in IMPURE


def _learn_shape(node: ir.Node, knowledge: Knowledge) -> bool:
    """Learn the result of `Shape` or `Size` of a value whose shape is static, known or not."""
    if node.op_type not in ("Shape", "Size") or node.domain not in ("", "ai.onnx"):
        return False
    source = _required(node.inputs[0])
    if not shapes.is_static(source):
        return False
    dims = np.array(shapes.dims(source), dtype=np.int64)
    if node.op_type == "Size":
        array = np.array(dims.prod(), dtype=np.int64)
    else:
        start = node.attributes["start"].as_int() if "start" in node.attributes else 0
        end = node.attributes["end"].as_int() if "end" in node.attributes else len(dims)
        array = dims[start:end]
    knowledge.learn(node.outputs[0], array)
    shapes.set_like(node.outputs[0], array)
    return True


def _learn_number(node: ir.Node, knowledge: Knowledge) -> bool:
    """Learn the result of shape arithmetic on few known numbers at once: most nodes of many exports are that."""
    if node.op_type not in integers.FUNCTIONS or len(node.outputs) != 1:
        return False
    result, arrays = node.outputs[0], []
    for value in node.inputs:
        if value is None or value not in knowledge or not knowledge.is_computed(value):
            return False
        arrays.append(knowledge.peek(value))
    if any(array.size > SMALL for array in arrays):
        return False
    dtype = integers.result_type(node)
    if dtype is None:
        return False
    result.type = ir.TensorType(dtype)
    try:
        if not integers.can_compute(node) or not integers.is_few(node, arrays, SMALL):
            return False
        array = integers.compute(node, arrays)
    except integers.CONTRADICTIONS:  # the node contradicts its inputs: shape inference says how
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
        for value in shapes.node_reads(node):
            if value in knowledge and value not in seen:
                seen.add(value)
                yield value
    for value in graph.outputs:
        if value in knowledge and value not in seen:
            seen.add(value)
            yield value


def _make_constant(graph: ir.Graph, value: ir.Value, array: np.ndarray) -> None:
    constant = ir.Value(
        name=f"{value.name}_known",
        type=ir.TensorType(value.dtype or ir.DataType.from_numpy(array.dtype)),
        shape=ir.Shape(array.shape),
        const_value=ir.tensor(np.asarray(array, order="C")),
    )
    graph.register_initializer(constant)
    if value.is_graph_output():
        node = ir.node("Identity", [constant], name=f"{value.name}_constant")
        replaced = node.outputs[0]
        graph.append(node)
        ir.convenience.replace_all_uses_with(value, replaced, replace_graph_outputs=True)
        value.name, replaced.name = f"{value.name}_folded", value.name
        replaced.type, replaced.shape = constant.type, constant.shape
    else:
        ir.convenience.replace_all_uses_with(value, constant)


def _is_small(value: ir.Value) -> bool:
    return shapes.is_static(value) and int(np.prod(shapes.dims(value))) <= SMALL


def _required(value: ir.Value | None) -> ir.Value:
    assert value is not None
    return value
