"""Nodes of a graph in the making, and the graph of those that its outputs need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.relink.program import DTYPES

OPSET, IR_VERSION = 17, 10


def op(kind: str, *inputs: ir.Value, outputs: int = 1, **attributes: int | str | list[int]) -> ir.Value:
    """Return the first output of a new node."""
    return ir.node(kind, list(inputs), attributes=attributes, num_outputs=outputs).outputs[0]


def const(array: npt.NDArray[np.generic]) -> ir.Value:
    """Return a constant."""
    return ir.Value(const_value=ir.tensor(np.asarray(array)))


def ints(values: Sequence[int]) -> ir.Value:
    """Return a constant row of int64."""
    return const(np.array(values, np.int64))


def typed(dtype: int) -> ir.TensorType:
    """Return a type by its number."""
    return ir.TensorType(ir.DataType.from_numpy(DTYPES[dtype]))


def cast(value: ir.Value, dtype: int) -> ir.Value:
    """Return a value in another type."""
    return op("Cast", value, to=int(ir.DataType.from_numpy(DTYPES[dtype])))


def shaped(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """Return a value in another shape."""
    return op("Reshape", value, ints(shape))


def sliced(value: ir.Value, shape: Sequence[int], bounds: Sequence[tuple[int, int, int]]) -> ir.Value:
    """Return a part of a value of a shape: start, end and step along every axis."""
    axes = [axis for axis, each in enumerate(bounds) if each != (0, shape[axis], 1)]
    if not axes:
        return value
    starts, ends, steps = zip(*(bounds[axis] for axis in axes), strict=True)
    far = tuple(-(1 << 62) if end < 0 else end for end in ends)  # backwards to the first element
    return op("Slice", value, *map(ints, (starts, far, axes, steps)))


def graph_of(inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> ir.Model:
    """Return the graph of what outputs need, in an order in which it can be computed; equal constants are one."""
    nodes = _needed(outputs)
    for number, node in enumerate(nodes):
        node.name = f"node_{number}"
        for place, value in enumerate(node.outputs):
            value.name = value.name if value in outputs else f"value_{number}_{place}"
    constants: dict[bytes, ir.Value] = {}
    for node in nodes:
        for place, given in enumerate(node.inputs):
            if given is not None and given.const_value is not None:
                array = given.const_value.numpy()
                shared = constants.setdefault(f"{array.dtype}{array.shape}".encode() + array.tobytes(), given)
                shared.name = shared.name or f"constant_{len(constants) - 1}"
                node.replace_input_with(place, shared)
    held = list(constants.values())
    graph = ir.Graph(
        inputs, outputs, nodes=nodes, initializers=held, opset_imports={"": OPSET}, name="relink"
    )
    return ir.Model(graph, ir_version=IR_VERSION)


def _needed(outputs: Sequence[ir.Value]) -> list[ir.Node]:
    nodes: dict[ir.Node, None] = {}
    stack = [node for value in reversed(outputs) if (node := value.producer()) is not None]
    while stack:
        producers = [value.producer() for value in stack[-1].inputs if value is not None]
        missing = [each for each in producers if each is not None and each not in nodes]
        if missing and stack[-1] not in nodes:
            stack += missing
        else:
            nodes.setdefault(stack.pop())
    return list(nodes)
