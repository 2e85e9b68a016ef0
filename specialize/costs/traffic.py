"""Count the bytes that a node must read and write, and the memory that is alive while it runs.

Every operator reads each input once and writes each output once, as with a perfect cache: the minimum traffic of any
kernel. Operators that pick (Gather, Slice, Split, Resize to smaller, GridSample of few points) read what they pick, at
most the whole input. Views move nothing. Weights are what an operator multiplies with (kernels, matrices, scales); all
other constants (tables, reference points, masks, biases of an Add) are constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from specialize.costs.formulas import FREE
from specialize.costs.node import NodeView, byte_size
from specialize.costs.sampling import taps

_WEIGHTS: Mapping[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "Einsum": (0, 1, 2, 3),
    "DeformConv": (1, 3),
    "BatchNormalization": (1, 2, 3, 4),
    "LayerNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "PRelu": (1,),
}
PICKS = frozenset(
    {"Gather", "GatherElements", "GatherND", "Slice", "Split", "Resize", "Upsample", "Compress"}
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of one node: activations read, weights read, other constants read, and results written."""

    activations: int = 0
    weights: int = 0
    constants: int = 0
    written: int = 0


def is_constant(value: ir.Value) -> bool:
    """Return whether a value is part of the file and not computed."""
    producer = value.producer()
    return value.is_initializer() or (producer is not None and producer.op_type == "Constant")


def is_weight(node: ir.Node, index: int) -> bool:
    """Return whether a constant input of a node is something that the node multiplies with."""
    return index in _WEIGHTS.get(node.op_type, ())


def node_traffic(node: ir.Node) -> Traffic:
    """Return the bytes that a node reads and writes.

    Raises:
        UnknownShapeError: A tensor's size is unknown.
    """
    if node.op_type in FREE:
        return Traffic()
    read = {"activations": 0, "weights": 0, "constants": 0}
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        size = min(byte_size(value), _picked(node, index))
        kind = (
            "activations" if not is_constant(value) else "weights" if is_weight(node, index) else "constants"
        )
        read[kind] += size
    written = sum(byte_size(value) for value in node.outputs if value.name)
    return Traffic(**read, written=written)


def _picked(node: ir.Node, index: int) -> int:
    """Return the most bytes that a node can read of an input."""
    source = node.inputs[0]
    assert source is not None
    if index == 0 and node.op_type in PICKS:
        return sum(byte_size(value) for value in node.outputs if value.name)
    if index == 0 and node.op_type == "GridSample":
        view = NodeView(node)
        per_value = max(1, taps(len(view.shape(0)) - 2, view.text("mode", "linear")))
        return per_value * byte_size(node.outputs[0])
    return 1 << 62


def peak_activation_bytes(graph: ir.Graph) -> int:
    """Return the most bytes of activations alive at once, in the order of the graph.

    A tensor lives from the node that makes it to the last node that reads it; the graph's inputs and outputs
    live to the end, because the caller holds them. A view shares its source's memory. No operator is assumed
    to work in place.

    Raises:
        UnknownShapeError: A tensor's size is unknown.
    """
    nodes = list(graph)
    owner: dict[ir.Value, ir.Value] = {}
    last: dict[ir.Value, int] = {value: len(nodes) for value in graph.inputs if not value.is_initializer()}
    born: dict[ir.Value, int] = dict.fromkeys(last, 0)
    for step, node in enumerate(nodes):
        for value in node.inputs:
            if value is not None and not is_constant(value):
                root = owner.get(value, value)
                last[root] = max(last.get(root, step), step)
        for value in node.outputs:
            _adopt(node, value, owner)
            if owner.get(value, value) is value and not is_constant(value):
                born[value] = step
                last.setdefault(value, step)
    for value in graph.outputs:
        last[owner.get(value, value)] = len(nodes)
    return _most_alive(born, last, len(nodes))


def _adopt(node: ir.Node, value: ir.Value, owner: dict[ir.Value, ir.Value]) -> None:
    """Note that the output of a view lives in the memory of its source."""
    views = FREE - {"Shape", "Size", "Constant"}
    source = node.inputs[0] if node.op_type in views and node.inputs else None
    if source is not None:
        owner[value] = owner.get(source, source)


def _most_alive(born: Mapping[ir.Value, int], last: Mapping[ir.Value, int], steps: int) -> int:
    change = [0] * (steps + 2)
    for value, start in born.items():
        size = byte_size(value) if value.name else 0
        change[start] += size
        change[last[value] + 1] -= size
    alive = most = 0
    for difference in change:
        alive += difference
        most = max(most, alive)
    return most
