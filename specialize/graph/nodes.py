"""What a node says in constants and attributes: the axes, bounds and places that it works at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.shapes import STANDARD, dims


def array_of(value: ir.Value | None) -> npt.NDArray[np.generic] | None:
    """Return a constant of the graph as an array, or None."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def numbers_of(value: ir.Value | None) -> list[int] | None:
    """Return the constant operand that lists axes, places or sizes, or None."""
    array = array_of(value)
    return None if array is None else [int(number) for number in array.reshape(-1)]


def cuts_of(node: ir.Node) -> list[tuple[int, int, int, int]] | None:
    """Return axis, start, end and step of every cut that a Slice makes; None if they are not constant."""
    bounds = [numbers_of(value) for value in node.inputs[1:]]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < max(2, len(bounds)) or len({len(bound) for bound in known}) > 1:
        return None
    count = len(known[0])
    axes = known[2] if len(known) > 2 else list(range(count))
    steps = known[3] if len(known) > 3 else [1] * count
    return list(zip(axes, known[0], known[1], steps, strict=True))


def node_axis(node: ir.Node, default: int, rank: int) -> int:
    """Return the `axis` attribute, counted from the front."""
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else default
    return axis % rank


def opset_of(node: ir.Node) -> int:
    """Return the version of the standard operators that a node was written in."""
    assert node.graph is not None
    imports = node.graph.opset_imports
    return next(imports[domain] for domain in STANDARD if domain in imports)


def normalized_axes(node: ir.Node, rank: int) -> tuple[int, int]:
    """Return first and last axis (exclusive) that Softmax or LayerNormalization works along; opsets differ."""
    if node.op_type == "LayerNormalization":
        return node_axis(node, -1, rank), rank
    if opset_of(node) < 13:
        return node_axis(node, 1, rank), rank
    axis = node_axis(node, -1, rank)
    return axis, axis + 1


def reduced_axes(node: ir.Node) -> list[int] | None:
    """Return the axes of a reduction, from the front and ascending; None if there are none or they are not constant."""
    source = node.inputs[0]
    assert source is not None
    rank = len(dims(source))
    if "axes" in node.attributes:
        found = list(node.attributes["axes"].as_ints())
    elif len(node.inputs) > 1 and node.inputs[1] is not None:
        given = numbers_of(node.inputs[1])
        if given is None:
            return None
        found = list(given)
    else:
        found = []
    if (
        not found
        and "noop_with_empty_axes" in node.attributes
        and node.attributes["noop_with_empty_axes"].as_int()
    ):
        return None  # nothing is reduced
    return sorted(axis % max(1, rank) for axis in found) if found else list(range(rank))
