"""Select the nodes that stay in float32, from their connections and never from their names.

There are three kinds. *Coordinates*: from the projection of a query to offsets up to the locations where a graph
samples, and what is computed from such locations alone. *Geometry*: what depends on the calibration alone, what is done
to inputs before the first weights, such as poses and times, and points that a pose moves. *Custom operators*, which the
converters do not support. In 8 bits also products of two computed tensors, because only weights have a range that can
be reduced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import onnx_ir as ir

from specialize.graph.closure import Closure
from specialize.graph.custom import is_foreign
from specialize.graph.shapes import dims, is_static
from specialize.targets.coordinates import ALONG, PROJECTIONS, sampling_places

GATHERS = frozenset({"Gather", "GatherElements", "GatherND"})
"""Operators that sample at places too, once GridSample is written with them: their indices are computed."""

SAMPLERS = frozenset({"GridSample", "DeformConv"})
"""Operators that read a map at places."""

_WEIGHTED = PROJECTIONS | {"ConvTranspose", "DeformConv"}
_POSE_SIZES = (3, 4)
"""Rows and columns of a matrix that moves points; a product with one is no projection."""


def kept_nodes(model: ir.Model, bound: Collection[str]) -> frozenset[ir.Node]:
    """Return the nodes that stay in float32.

    Args:
        model: The graph, shapes known, in topological order.
        bound: Inputs that hold calibration or tables: what depends on them alone stays too.
    """
    early = _before_weights(model)
    moved = [value for node in early if node.op_type == "MatMul" for value in _computed(node.inputs)]
    exact = early | _above([*_places(model), *moved])
    exact.update(Closure(model, bound).nodes)
    reading: set[ir.Node] = set()
    for node in model.graph:
        if node in exact:
            continue
        if _only_from(node, exact):
            exact.add(node)
        elif node.op_type in SAMPLERS or is_foreign(node):
            reading.add(node)
    return frozenset(exact | reading)


def products_of_values(model: ir.Model) -> frozenset[ir.Node]:
    """Return the products and convolutions whose second operand is not constant, so that they have no weights."""
    return frozenset(
        node
        for node in model.graph
        if node.op_type in _WEIGHTED and len(node.inputs) > 1 and _computed(node.inputs[1:2])
    )


def _above(places: list[ir.Value]) -> set[ir.Node]:
    """Return the nodes above locations and points, up to and including projections."""
    found: set[ir.Node] = set()
    stack = list(places)
    while stack:
        node = stack.pop().producer()
        if node is None or node in found or (node.op_type not in PROJECTIONS and node.op_type not in ALONG):
            continue
        found.add(node)
        if node.op_type not in PROJECTIONS:
            stack.extend(_computed(node.inputs))
    return found


def _places(model: ir.Model) -> list[ir.Value]:
    """Return the tensors that tell where to sample: grids, locations, offsets, and computed indices."""
    places = sampling_places(model)
    for node in model.graph:
        if node.op_type in GATHERS:
            places.extend(_computed(node.inputs[1:2]))
        elif node.op_type == "DeformConv":
            places.extend(_computed(node.inputs[2:3]))
    return places


def _before_weights(model: ir.Model) -> set[ir.Node]:
    """Return what is computed from inputs before the first weights, and products with what moves points."""
    found: set[ir.Node] = set()
    early = set(model.graph.inputs)
    for node in model.graph:
        read = _computed(node.inputs)
        if not read:
            continue
        pure = all(value in early for value in read)
        moving = any(value in early and _is_pose(value) for value in read) and node.op_type == "MatMul"
        if moving or (pure and not (node.op_type in _WEIGHTED and len(read) < len(node.inputs))):
            found.add(node)
            if pure:
                early.update(node.outputs)
    return found


def _only_from(node: ir.Node, exact: Collection[ir.Node]) -> bool:
    """Return whether a node only moves or combines, element by element, coordinates and geometry."""
    read = _computed(node.inputs)
    return bool(read) and node.op_type in ALONG and all(value.producer() in exact for value in read)


def _is_pose(value: ir.Value) -> bool:
    shape = dims(value) if is_static(value) else ()
    return len(shape) >= 2 and all(size in _POSE_SIZES for size in shape[-2:])


def _computed(values: Iterable[ir.Value | None]) -> list[ir.Value]:
    """Return the values that are not constants."""
    return [value for value in values if value is not None and value.const_value is None]
