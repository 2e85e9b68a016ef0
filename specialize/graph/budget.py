"""How much work a file may ask for: limits that models stay far below and files made to hurt exceed.

A model beyond a limit is refused; none of the limits changes what a smaller model becomes. All but the
last two depend on the file alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import onnx_ir as ir

from specialize.errors import InputError

INLINED_NODES = 1_000_000
"""Nodes of a graph after all local functions are inlined."""

INPUT_BYTES = 4 << 30
"""Size of one input of a model."""

VALUE_BYTES = 1 << 30
"""A known value above this size stays a node: folding it would make the file larger than it is worth."""

HELD_BYTES = 4 << 30
"""Folded values of one graph together."""

WORK_BYTES = 128 << 30
"""What the nodes that are folded read and write."""

PRODUCTS = 1 << 40
"""Multiplications of the matrix products and convolutions that are folded."""

SECONDS = 300.0
"""Processor time of all folding of one graph."""

MEMORY_BYTES = 12 << 30
"""Memory that the process may grow by while it folds."""

HINT = (
    "does the graph compute something huge from constants? Compute it before the export, or make it an input"
)


class Budget:
    """What is left of the limits while one graph is folded."""

    def __init__(self) -> None:
        self.seconds = SECONDS
        self._held_bytes = 0
        self._work_bytes = 0
        self._products = 0

    def charge(self, nodes: Iterable[ir.Node]) -> None:
        """Account for nodes that are about to be computed.

        Raises:
            InputError: They ask for more than is left.
        """
        for node in nodes:
            self._work_bytes += sum(map(_bytes, (*node.inputs, *node.outputs)))
            self._products += products(node)
            if self._work_bytes > WORK_BYTES:
                raise _beyond(node, f"at most {WORK_BYTES >> 30} GiB to read and write")
            if self._products > PRODUCTS:
                raise _beyond(node, f"at most {PRODUCTS:,} multiplications")

    def hold(self, node: ir.Node | None, size: int) -> None:
        """Account for a value that is kept.

        Raises:
            InputError: The folded values together are too large.
        """
        self._held_bytes += size
        if self._held_bytes > HELD_BYTES:
            raise _beyond(node, f"at most {HELD_BYTES >> 30} GiB of results")


def products(node: ir.Node) -> int:
    """Return how many multiplications a matrix product or convolution takes; 0 for other operators."""
    results = sum(_elements(value) for value in node.outputs)
    if node.op_type in _INNER and len(node.inputs) > 1:
        return results * max(1, _inner(node))
    if node.op_type == "Einsum":
        return math.prod(max(1, size) for value in node.inputs for size in _dims(value))
    if node.op_type in _RECURRENT:
        return math.prod(_dims(node.inputs[0])[:2]) * sum(_elements(value) for value in node.inputs[1:3])
    if node.op_type in _POOLS and "kernel_shape" in node.attributes:
        return results * math.prod(map(abs, node.attributes["kernel_shape"].as_ints()))
    if node.op_type == "NonMaxSuppression" and node.inputs:
        return _elements(node.inputs[0]) ** 2
    return 0


_INNER = frozenset({
    "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "Gemm", "MatMul", "MatMulInteger", "QLinearConv",
    "QLinearMatMul",
})  # fmt: skip
_RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})


def _inner(node: ir.Node) -> int:
    """Return over how many pairs each result of a product sums."""
    first = _dims(node.inputs[0])
    if node.op_type in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        return first[-1] if first else 1
    if node.op_type == "Gemm":
        return max(first, default=1)
    kernel = node.inputs[3] if node.op_type == "QLinearConv" and len(node.inputs) > 3 else node.inputs[1]
    return math.prod(_dims(kernel)[1:])


def _dims(value: ir.Value | None) -> Sequence[int]:
    if value is None or value.shape is None:
        return ()
    return [size if isinstance(size, int) else 1 for size in value.shape]


def _elements(value: ir.Value | None) -> int:
    return 0 if value is None else math.prod(_dims(value))


def _bytes(value: ir.Value | None) -> int:
    if value is None or value.dtype is None or value.dtype == ir.DataType.STRING:
        return 0
    return _elements(value) * max(1, value.dtype.bitwidth // 8)


def _beyond(node: ir.Node | None, expected: str) -> InputError:
    name = "the graph" if node is None else f"node {node.name or node.op_type!r}"
    return InputError(f"folding constants up to {name}", expected, "more", HINT)
