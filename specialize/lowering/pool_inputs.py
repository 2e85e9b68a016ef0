"""Read pooling whose tables are inputs: written so that a runtime takes them, of any lengths.

What: bev_pool_v2(depth, feat, ranks_depth, ranks_feat, ranks_bev, interval_starts, interval_lengths) of tables that are
    inputs  ->  Gather, Mul and ScatterND that adds; the interval of a point is counted by CumSum.
Why it is sound: the operator adds depth[ranks_depth] * feat[ranks_feat] of the points of each interval to the cell of
    the interval's first point. Intervals do not overlap; points in none are multiplied by zero, and of intervals with
    the same start, which padding makes, the longest counts: kernels write the sum of an interval, they do not add it.
Needs: shapes of depth and features that are numbers, ScatterND that adds (opset 16).
Declines when: these shapes are not known.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.custom import is_pool
from specialize.graph.nodes import array_of
from specialize.graph.notes import node_name
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import dims, is_static
from specialize.lowering.unsized import Unsized

NAME = "lower_pool"
INT64, BOOL = ir.DataType.INT64, ir.DataType.BOOL
LIMIT = 1 << 31
"""Above every start and length."""
POINTS, INTERVALS = "points", "intervals"


def define_pool_inputs(model: ir.Model) -> None:
    """Write every pooling by tables that are not constant in standard operators, in place; they get any length."""
    for node in list(model.graph):
        if not is_pool(node) or all(array_of(value) is not None for value in node.inputs[2:]):
            continue
        depth, feat, *tables = (value for value in node.inputs if value is not None)
        if not (is_static(depth) and is_static(feat)):
            continue
        _of_any_length(tables)
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}/defined", {PASS_KEY: NAME})
        size = [node.attributes[name].as_int() for name in ("out_height", "out_width")]
        replace(model.graph, node.outputs[0], _defined(builder, depth, feat, tables, size))
        remove_unused(model.graph, node)


def _of_any_length(tables: list[ir.Value]) -> None:
    """Let tables have any length, and so the inputs that they are casts of."""
    for index, table in enumerate(tables):
        value: ir.Value | None = table
        while value is not None:
            value.shape = ir.Shape([ir.SymbolicDim(INTERVALS if index > 2 else POINTS)])
            node = value.producer()
            value = node.inputs[0] if node is not None and node.op_type in ("Cast", "Identity") else None


def _defined(
    builder: Builder, depth: ir.Value, feat: ir.Value, tables: list[ir.Value], size: list[int]
) -> ir.Value:
    """Return the sums of the cells, (1, out_height, out_width, C)."""
    make = Unsized(builder)
    ranks_depth, ranks_feat, ranks_bev, starts, lengths = (make.cast(table, INT64) for table in tables)
    starts, lengths = _ascending(make, starts, lengths)
    interval, inside = _intervals(make, ranks_depth, starts, lengths)
    cells = make.op("Gather", ranks_bev, make.op("Gather", starts, interval, axis=0), axis=0)
    width = dims(feat)[-1]
    numbers = make.op("Gather", builder.reshape(depth, (math.prod(dims(depth)), 1)), ranks_depth, axis=0)
    rows = make.op("Gather", builder.reshape(feat, (math.prod(dims(feat)[:-1]), width)), ranks_feat, axis=0)
    weights = make.op("Mul", numbers, make.op("Unsqueeze", inside, make.ints([1])))
    products = make.op("Mul", weights, rows)
    empty = builder.constant(np.zeros((math.prod(size), width), np.float32), "empty")
    targets = make.op("Unsqueeze", cells, make.ints([1]))
    summed = builder.node("ScatterND", [empty, targets, products], dims(empty), reduction="add")
    return builder.reshape(summed, (1, *size, width))


def _ascending(make: Unsized, starts: ir.Value, lengths: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return intervals in the order of their starts, and of their lengths where starts are equal."""
    key = make.op("Add", make.op("Mul", starts, make.scalar(LIMIT)), lengths)
    key = make.sorted(key)
    starts = make.op("Div", key, make.scalar(LIMIT))
    return starts, make.op("Sub", key, make.op("Mul", starts, make.scalar(LIMIT)))


def _intervals(
    make: Unsized, points: ir.Value, starts: ir.Value, lengths: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """Return the interval that begins last before every point, and whether it reaches the point, as 0.0 or 1.0."""
    zero, one = make.ints([0]), make.ints([1])
    begins = make.op("Add", make.op("Mul", starts, zero), one)  # one for every interval
    none = make.op("Mul", points, zero)  # zero for every point
    place = make.op("Unsqueeze", starts, one)
    counted = make.op("ScatterND", none, place, begins, reduction="add")
    number = make.op("Sub", make.op("CumSum", counted, make.scalar(0)), one)
    number = make.op("Max", number, zero)
    first = make.op("Gather", starts, number, axis=0)
    position = make.op("Sub", make.op("CumSum", make.op("Add", none, one), make.scalar(0)), one)
    passed = make.op("Sub", position, first)
    reached = make.op("Less", passed, make.op("Gather", lengths, number, axis=0), dtype=BOOL)
    begun = make.op("Not", make.op("Less", passed, zero, dtype=BOOL))
    return number, make.cast(make.op("And", reached, begun), ir.DataType.FLOAT)
