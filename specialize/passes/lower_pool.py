"""Lower pooling: write a view transform's pooling as the five-array operator that toolchains have a kernel for.

What: ScatterND(add) of depth weights times features to constant cells  ->  BEVPoolV2TRT(depth, feat, ranks_depth,
    ranks_feat, ranks_bev, interval_starts, interval_lengths).
Why it is sound: the operator adds depth[ranks_depth] * feat[ranks_feat] of each interval to one cell; points whose
    constant factor is zero add nothing and are in no interval. `define_pools` writes that definition out.
Needs: fold, so that cells and masks are constants.
Declines when: what is added is no product of one number and one row of features; what is added to is not zero; a
    point has another factor than zero or one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph import integers
from specialize.graph.custom import POOL, is_pool
from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused
from specialize.passes.compact import replace as read_instead
from specialize.rows.lift import array_of, node_axis

NAME = "lower_pool"
RESHAPES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
MOVES = frozenset({"Transpose", "Expand", "Slice", "Gather"})

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What is pooled: for every point a number, a row of features, and a constant factor.

    Attributes:
        depth: The tensor that numbers are elements of.
        feat: The tensor that rows are taken from, features last.
        ranks_depth: Elements of `depth`, counted from its first, in any shape.
        ranks_feat: Rows of `feat`, likewise.
        factor: What each product is multiplied by.
    """

    depth: ir.Value
    feat: ir.Value
    ranks_depth: Ints
    ranks_feat: Ints
    factor: Floats


def lower_pools(model: ir.Model) -> list[Note]:
    """Write every pooling of a graph as the operator, in place."""
    notes = []
    for node in list(model.graph):
        if node.op_type != "ScatterND" or node.domain not in STANDARD or not _adds(node):
            continue
        found = _read(node)
        if isinstance(found, str):
            notes.append(Note(NAME, "declined", node_name(node), found))
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        points, cells = found
        read_instead(model.graph, node.outputs[0], _write(builder, node, points, cells))
        remove_unused(model.graph, node)
        kept = int(np.count_nonzero(points.factor))
        told = f"{kept:,} of {points.factor.size:,} points pooled by {POOL}; no other is computed"
        notes.append(Note(NAME, "applied", node_name(node), told))
    return notes


def define_pools(model: ir.Model) -> None:
    """Write every operator with constant tables as Gather, Mul and ScatterND, which define it, in place."""
    for node in list(model.graph):
        tables = [array_of(value) for value in node.inputs[2:]]
        if not is_pool(node) or any(table is None for table in tables):
            continue
        ranks_depth, ranks_feat, ranks_bev, starts, lengths = (
            np.asarray(table, np.int64) for table in tables
        )
        point = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        cells = np.repeat(ranks_bev[starts], lengths)
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}/defined", {PASS_KEY: NAME})
        depth, feat = (value for value in node.inputs[:2] if value is not None)
        width = dims(feat)[-1]
        numbers = _picked(builder, builder.reshape(depth, (math.prod(dims(depth)), 1)), ranks_depth[point])
        rows = _picked(builder, builder.reshape(feat, (math.prod(dims(feat)[:-1]), width)), ranks_feat[point])
        products = builder.node("Mul", [numbers, rows], dims(rows))
        shape = (1, *(node.attributes[name].as_int() for name in ("out_height", "out_width")), width)
        empty = builder.constant(np.zeros((shape[1] * shape[2], width), np.float32), "empty")
        targets = builder.constant(cells[:, None], "cells")
        summed = builder.node("ScatterND", [empty, targets, products], dims(empty), reduction="add")
        read_instead(model.graph, node.outputs[0], builder.reshape(summed, shape))
        remove_unused(model.graph, node)


def _adds(node: ir.Node) -> bool:
    return "reduction" in node.attributes and node.attributes["reduction"].as_string() == "add"


def _picked(builder: Builder, value: ir.Value, rows: Ints) -> ir.Value:
    index = builder.constant(rows, "picked")
    return builder.node("Gather", [value, index], (len(rows), dims(value)[1]), axis=0)


def _read(node: ir.Node) -> tuple[Points, Ints] | str:
    """Return the points that a scatter pools and their cells, or why it is not such a pooling."""
    empty, indices, updates = array_of(node.inputs[0]), array_of(node.inputs[1]), node.inputs[2]
    if indices is None or indices.shape[-1] != 1 or updates is None:
        return "the cells are not constant numbers of rows"
    if empty is None or empty.any():
        return "what is added to is not zero"
    points = _points(updates)
    if points is None:
        return "what is added is not one number times one row of features"
    if not np.isin(points.factor, (0.0, 1.0)).all():
        return "a point has another factor than zero or one"
    cells = indices.astype(np.int64).ravel()
    return points, np.where(cells < 0, cells + dims(node.outputs[0])[0], cells)


def _write(builder: Builder, node: ir.Node, points: Points, cells: Ints) -> ir.Value:
    """Return the result of the scatter, computed by the operator; points stand in the order of their cells."""
    kept = np.flatnonzero(points.factor)
    order = kept[np.argsort(cells[kept], kind="stable")]
    ranks_bev = cells[order]
    starts = np.flatnonzero(np.diff(ranks_bev, prepend=-1))
    lengths = np.diff(starts, append=len(order))
    tables = {
        "ranks_depth": points.ranks_depth.ravel()[order],
        "ranks_feat": points.ranks_feat.ravel()[order],
        "ranks_bev": ranks_bev,
        "interval_starts": starts,
        "interval_lengths": lengths,
    }
    shape = dims(node.outputs[0])
    height, width = _grid(node)
    inputs = [_of_rank_four(builder, value) for value in (points.depth, points.feat)]
    inputs += [builder.constant(table.astype(np.int32), name) for name, table in tables.items()]
    out = (1, height, width, shape[1])
    return builder.reshape(builder.node(POOL, inputs, out, out_height=height, out_width=width), shape)


def _grid(node: ir.Node) -> tuple[int, int]:
    """Return height and width of the cells, if what reads them makes a grid of them; else they are one column."""
    cells, channels = dims(node.outputs[0])
    readers = [reader for reader, _ in node.outputs[0].uses() if is_static(reader.outputs[0])]
    shapes = [dims(reader.outputs[0]) for reader in readers if reader.op_type in RESHAPES]
    grids = [(shape[1], shape[2]) for shape in shapes if len(shape) == 4 and shape[::3] == (1, channels)]
    return grids[0] if grids else (cells, 1)


def _of_rank_four(builder: Builder, value: ir.Value) -> ir.Value:
    shape = dims(value)
    return value if len(shape) == 4 else builder.reshape(value, (1, 1, math.prod(shape[:-1]), shape[-1]))


def _points(value: ir.Value) -> Points | None:
    """Return what the rows of a tensor (..., features) are products of; None if they are none."""
    node = value.producer()
    if node is None or node.domain not in STANDARD or not is_static(value):
        return None
    if node.op_type == "Mul":
        return _product(node)
    source = _row_source(node)
    inner = None if source is None else _points(source)
    if inner is None:
        return None
    return Points(
        inner.depth,
        inner.feat,
        _move_rows(node, inner.ranks_depth).astype(np.int64),
        _move_rows(node, inner.ranks_feat).astype(np.int64),
        _as_floats(_move_rows(node, inner.factor)),
    )


def _product(node: ir.Node) -> Points | None:
    """Return the points of a product of numbers, which have one feature, and rows; constants are factors."""
    shape = dims(node.outputs[0])[:-1]
    for number, rows in (node.inputs, node.inputs[::-1]):
        if number is None or rows is None or not (is_static(number) and is_static(rows)):
            continue
        if dims(number)[-1:] not in ((), (1,)):
            continue
        known = array_of(number)
        if known is not None:
            inner = _points(rows)
            scale = _as_floats(known[..., 0] if known.ndim else known)
            if inner is None:
                return None
            return replace(inner, factor=np.broadcast_to(inner.factor * scale, shape))
        depth, ranks_depth, factor = _numbers(number)
        feat, ranks_feat = _rows(rows)
        return Points(
            depth,
            feat,
            np.broadcast_to(ranks_depth[..., 0], shape),
            np.broadcast_to(ranks_feat, shape),
            np.broadcast_to(factor[..., 0], shape),
        )
    return None


def _numbers(value: ir.Value) -> tuple[ir.Value, Ints, Floats]:
    """Return which elements of which tensor a tensor consists of, and what each is multiplied by."""
    node = value.producer()
    if node is not None and node.domain in STANDARD and node.op_type == "Mul":
        for one, other in (node.inputs, node.inputs[::-1]):
            known = array_of(one)
            if known is not None and other is not None and is_static(other) and dims(other) == dims(value):
                origin, index, factor = _numbers(other)
                return origin, index, factor * _as_floats(known)
    source = _moved_from(node)
    if node is None or source is None:
        return value, np.arange(math.prod(dims(value))).reshape(dims(value)), np.ones(dims(value))
    origin, index, factor = _numbers(source)
    return origin, _move(node, index).astype(np.int64), _as_floats(_move(node, factor))


def _rows(value: ir.Value) -> tuple[ir.Value, Ints]:
    """Return which rows of which tensor a tensor (..., features) consists of."""
    node = value.producer()
    source = None if node is None else _row_source(node)
    if node is None or source is None:
        shape = dims(value)[:-1]
        return value, np.arange(math.prod(shape)).reshape(shape)
    origin, index = _rows(source)
    return origin, _move_rows(node, index).astype(np.int64)


def _row_source(node: ir.Node) -> ir.Value | None:
    """Return what a node moves rows of, leaving their features together; None if it does something else."""
    source = _moved_from(node)
    if source is None or dims(source)[-1] != dims(node.outputs[0])[-1]:
        return None
    if node.op_type in RESHAPES:
        return source
    gathers = node.op_type == "Gather" and node_axis(node, 0, len(dims(source))) < len(dims(source)) - 1
    return source if gathers else None


def _moved_from(node: ir.Node | None) -> ir.Value | None:
    """Return what a node moves elements of, to constant places; None if it does something else."""
    if node is None or node.domain not in STANDARD or node.op_type not in RESHAPES | MOVES:
        return None
    source = node.inputs[0]
    if source is None or not is_static(source) or not is_static(node.outputs[0]) or not dims(source):
        return None
    fixed = node.op_type in RESHAPES or all(array_of(value) is not None for value in node.inputs[1:])
    return source if fixed else None


def _as_floats(array: npt.NDArray[np.generic]) -> Floats:
    return array.astype(np.float64)


def _move(node: ir.Node, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if node.op_type in RESHAPES:
        return array.reshape(dims(node.outputs[0]))
    constants = [known for value in node.inputs[1:] if (known := array_of(value)) is not None]
    return integers.FUNCTIONS[node.op_type]([array, *constants], node.attributes)


def _move_rows(node: ir.Node, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return one number per row, moved as a node moves rows."""
    if node.op_type in RESHAPES:
        return array.reshape(dims(node.outputs[0])[:-1])
    return _move(node, array)
