"""Lift rules of sampling operators: functions of the sampling places that read an image per camera."""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.shapes import dims, numpy_type
from specialize.rows.axes import Layout
from specialize.rows.expr import Combination, Operand, Parameter
from specialize.rows.lift import Lifter, Rule
from specialize.rows.lift_moves import is_feature_axis


def grid_sample(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | None:
    """GridSample: a function of the sampling places, the same image for all rows of a group (a camera)."""
    image, grid = node.inputs[0], node.inputs[1]
    assert image is not None and grid is not None
    if not is_feature_axis(lifter.axes, layout[1]) or not lifter.axes.rows(layout[2:]):
        return None
    places = (layout[0], *layout[2:], lifter.axes.feature(dims(grid)[-1]))
    picture = (*layout[:2], *(lifter.axes.feature(size) for size in dims(image)[2:]))
    value = lifter.lift(grid, places)
    return lifter.apply(
        node,
        output,
        layout,
        [Parameter(image, picture), Operand(value, places, numpy_type(grid))],
        zero_at=False,
    )


def deformable_attention(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | None:
    """`MultiScaleDeformableAttn(value, shapes, locations, weights)`: rows are queries, groups are batch items."""
    value, shapes, places, weights = node.inputs[:4]
    if value is None or shapes is None or places is None or weights is None or len(layout) != 3:
        return None
    axes = lifter.axes
    heads, channels = dims(value)[2], dims(value)[3]
    grouped = axes.regroup((layout[2],), [heads, channels])
    if grouped is None or not is_feature_axis(axes, layout[2]) or len(node.inputs) != 4:
        return None
    head, channel = grouped
    picture = (layout[0], axes.feature(dims(value)[1]), head, channel)
    levels, points = axes.feature(dims(places)[3]), axes.feature(dims(places)[4])
    at = (*layout[:2], head, levels, points, axes.feature(2))
    by = (*layout[:2], head, levels, points)
    operands: list[Operand | Parameter] = [
        Parameter(value, picture),
        Parameter(shapes),
        Operand(lifter.lift(places, at), at, numpy_type(places)),
    ]
    return lifter.apply(
        node,
        output,
        layout,
        [*operands, Operand(lifter.lift(weights, by), by, numpy_type(weights))],
        zero_at=False,
    )


RULES: dict[str, Rule] = {"GridSample": grid_sample, "MultiScaleDeformableAttn": deformable_attention}
