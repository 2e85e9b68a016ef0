"""Masked factors: along which axes of a tensor constants tell rows apart, found not far above it.

Nothing is changed, and the search goes no further than the operators that only rearrange, mask and convert.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.nodes import array_of, node_axis, reduced_axes
from specialize.graph.ops import VIEWS
from specialize.graph.shapes import dims, is_static
from specialize.rows.axes import Axes, Axis, Factor, Layout, aligned
from specialize.rows.ops.picks import is_pick

FARTHEST = 24
"""Nodes on the way from a sum to the mask in front of it."""

TRANSPARENT = frozenset({"Mul", "Div", "And", "Where", "Cast", "Not", "Add"})


def masked_factors(axes: Axes, value: ir.Value, layout: Layout, summed: set[Factor]) -> set[object]:
    """Return the factors along which a known mask varies or known indices move, not far above a value."""
    found: set[object] = set()
    stack: list[tuple[ir.Value, Layout, int]] = [(value, layout, 0)]
    while stack:
        current, own, steps = stack.pop()
        array, node = array_of(current), current.producer()
        if array is not None:
            found.update(told_apart(axes, array == 0, own, summed))
            continue
        if node is None or steps >= FARTHEST:
            continue
        for source, inner in _step(axes, node, own, found):
            stack.append((source, inner, steps + 1))
    return {factor for factor in found if factor in axes.flat(layout)} | {
        outer for axis in layout for outer in axis if set(axes.resolve((outer,))) <= found
    }


def told_apart(axes: Axes, zero: npt.NDArray[np.bool_], layout: Layout, summed: set[Factor]) -> set[Factor]:
    """Return the factors along which a known tensor is zero here and not there, or is zero and summed."""
    flat = axes.flat(layout)
    if not flat or not zero.any():
        return set()
    cube = zero.reshape([factor.size for factor in flat])
    sums = axes.resolve(summed)
    return {
        factor for place, factor in enumerate(flat)
        if factor in sums or (cube != cube.take([0], axis=place)).any()
    }  # fmt: skip


def _step(axes: Axes, node: ir.Node, layout: Layout, found: set[object]) -> list[tuple[ir.Value, Layout]]:
    """Return the inputs of a node that a mask may come through, with their layouts."""
    inputs = [value for value in node.inputs if value is not None]
    if not inputs or not all(is_static(value) for value in inputs):
        return []
    first = inputs[0]
    if node.op_type in TRANSPARENT:
        return [(value, aligned(layout, dims(value))) for value in inputs]
    if node.op_type in VIEWS:
        grouped = axes.regroup(layout, dims(first))
        return [] if grouped is None else [(first, grouped)]
    if node.op_type == "Transpose" and "perm" in node.attributes:
        perm = list(node.attributes["perm"].as_ints())
        return [(first, tuple(layout[perm.index(axis)] for axis in range(len(perm))))]
    if node.op_type in ("ReduceMax", "ReduceSum", "ReduceMean"):
        return _before_reduction(axes, node, first, layout)
    if node.op_type in ("Slice", "Split"):
        pairs = zip(dims(first), layout, strict=True)
        return [(first, tuple(axis if size_of(axis) == size else axes.feature(size) for size, axis in pairs))]
    if node.op_type == "Expand" and len(dims(first)) <= len(layout):
        return [(first, aligned(layout, dims(first)))]
    if node.op_type == "Gather":
        found.update(_gathered(axes, node, layout))
        return _before_choice(axes, node, first, layout)
    if is_pick(node):
        found.update(axes.flat((layout[0], *layout[2:])))
    return []


def _before_reduction(
    axes: Axes, node: ir.Node, source: ir.Value, layout: Layout
) -> list[tuple[ir.Value, Layout]]:
    """Return what is reduced, with its layout; what is reduced away are features."""
    where, sizes = reduced_axes(node), dims(source)
    if where is None:
        return []
    kept = iter(axis for place, axis in enumerate(layout) if len(layout) != len(sizes) or place not in where)
    return [
        (
            source,
            tuple(axes.feature(size) if place in where else next(kept) for place, size in enumerate(sizes)),
        )
    ]


def _before_choice(
    axes: Axes, node: ir.Node, source: ir.Value, layout: Layout
) -> list[tuple[ir.Value, Layout]]:
    """Return what one place is chosen of, as one anchor's mask of all, with its layout; other gathers have none."""
    indices, axis = array_of(node.inputs[1]), node_axis(node, 0, len(dims(source)))
    if indices is None or indices.size != 1:
        return []
    own = (*layout[:axis], axes.feature(dims(source)[axis]), *layout[axis + indices.ndim :])
    return [(source, own)]


def _gathered(axes: Axes, node: ir.Node, layout: Layout) -> Axis:
    """Return the factors of the axes that a gather with constant indices makes."""
    indices, source = array_of(node.inputs[1]), node.inputs[0]
    if indices is None or source is None or indices.ndim == 0:
        return ()
    start = node_axis(node, 0, len(dims(source)))
    return tuple(factor for axis in layout[start : start + indices.ndim] for factor in axes.resolve(axis))
