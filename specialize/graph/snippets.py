"""Snippets: arithmetic that lowered forms are made of, one or two nodes each."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.shapes import dims

AXES_OPSET = 13
"""From this opset on ReduceSum takes its axes as an input."""


def number(builder: Builder, value: float) -> ir.Value:
    """Return a float32 scalar."""
    return builder.constant(np.array(value, dtype=np.float32), "number")


def scaled(builder: Builder, value: ir.Value, scale: float, shift: float) -> ir.Value:
    """Return value * scale + shift, without the step that changes nothing."""
    if scale != 1.0:
        value = builder.node("Mul", [value, number(builder, scale)], dims(value))
    return builder.node("Add", [value, number(builder, shift)], dims(value)) if shift else value


def clip(builder: Builder, value: ir.Value, low: float, high: float) -> ir.Value:
    """Return a value cut off at both ends."""
    return builder.node("Clip", [value, number(builder, low), number(builder, high)], dims(value))


def times(builder: Builder, left: ir.Value, right: ir.Value) -> ir.Value:
    """Return a product with broadcasting."""
    return builder.node("Mul", [left, right], np.broadcast_shapes(dims(left), dims(right)))


def plus(builder: Builder, left: ir.Value, right: ir.Value) -> ir.Value:
    """Return a sum with broadcasting."""
    return builder.node("Add", [left, right], np.broadcast_shapes(dims(left), dims(right)))


def slice_of(builder: Builder, value: ir.Value, axis: int, start: int, length: int) -> ir.Value:
    """Return a part of a value along one axis; the value itself if that is all of it."""
    shape = list(dims(value))
    if length == shape[axis]:
        return value
    shape[axis] = length
    bounds = (builder.constant(np.array([at], dtype=np.int64), "at") for at in (start, start + length, axis))
    return builder.node("Slice", [value, *bounds], shape)


def sum_over(builder: Builder, value: ir.Value, axis: int, opset: int) -> ir.Value:
    """Return the sum over one axis, which goes."""
    shape = [size for place, size in enumerate(dims(value)) if place != axis]
    if opset < AXES_OPSET:
        return builder.node("ReduceSum", [value], shape, axes=[axis], keepdims=0)
    where = builder.constant(np.array([axis], dtype=np.int64), "axis")
    return builder.node("ReduceSum", [value, where], shape, keepdims=0)


def take(builder: Builder, rows: ir.Value, places: ir.Value, channels: int) -> ir.Value:
    """Return the rows at places counted in float32, (places, channels): one Gather with 1-D int32 indices."""
    count = int(np.prod(dims(places)))
    index = builder.node("Cast", [places], dims(places), dtype=ir.DataType.INT32, to=ir.DataType.INT32.value)
    return builder.node("Gather", [rows, builder.reshape(index, [count])], [count, channels], axis=0)
