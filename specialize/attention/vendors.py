"""Custom operators of deformable attention, read to the internal operator and written from it (see `graph.custom`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.attention.operator import (
    DOMAIN,
    OPERATOR,
    Attention,
    Sizes,
    level_sizes,
    make_attention,
    sizes_of,
)
from specialize.graph.builder import Builder
from specialize.graph.custom import Role, Spelling, result_shape, roles_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.snippets import slice_of
from specialize.graph.views import View, climb, descend


def read_custom(node: ir.Node, spelling: Spelling, builder: Builder) -> tuple[ir.Value, Attention] | Declined:
    """Return the result of the internal operator in place of a custom one, or why that cannot be made."""
    wanted = roles_of(node, spelling)
    if len(node.inputs) != len(wanted) or any(value is None for value in node.inputs):
        return Declined("inputs", f"{len(node.inputs)} inputs where {len(wanted)} are expected")
    roles = {role: value for role, value in zip(wanted, node.inputs, strict=True) if value is not None}
    if not all(is_static(value) for value in roles.values()):
        return Declined("shape-unknown", "a shape is not a number")
    if "offsets" in roles:
        attention = _from_pixels(roles, builder)
    else:
        sizes = sizes_of(roles["value"], roles["shapes"], roles["locations"], roles["weights"])
        if isinstance(sizes, Declined):
            return sizes
        attention = Attention(sizes, roles["value"], roles["locations"], roles["weights"])
    if isinstance(attention, Declined):
        return attention
    fault = _check_starts(roles.get("starts"), attention.sizes)
    if fault is not None:
        return fault
    if (node.domain, node.op_type) == (DOMAIN, OPERATOR):
        return node.outputs[0], attention
    shape = dims(node.outputs[0]) if is_static(node.outputs[0]) else result_shape(node)
    if shape is None or math.prod(shape) != math.prod(attention.sizes.result):
        return Declined("sizes", f"its result is {shape} where {list(attention.sizes.result)} is expected")
    return builder.reshape(make_attention(builder, attention), shape), attention


def write_custom(attention: Attention, spelling: Spelling, builder: Builder) -> ir.Value | Declined:
    """Return the result, [N, Q, M * d], of a custom operator, or why it cannot be written that way."""
    sizes = attention.sizes
    kind = spelling.index.numpy()
    made: dict[Role, ir.Value] = {
        "value": attention.value,
        "shapes": builder.constant(np.array(sizes.levels, dtype=kind), "levels"),
    }
    if "starts" in spelling.inputs:
        made["starts"] = builder.constant(np.array(sizes.starts, dtype=kind), "starts")
    if spelling.in_pixels:
        pixels = _to_pixels(attention, builder)
        if isinstance(pixels, Declined):
            return pixels
        made |= pixels
    else:
        made |= {"locations": attention.locations, "weights": attention.weights}
    numbers: dict[Role, int] = {
        "batch": sizes.batch,
        "queries": sizes.queries,
        "width": sizes.heads * sizes.channels,
    }
    for role, number in numbers.items():
        if role in spelling.inputs:
            made[role] = builder.constant(np.array(number, dtype=np.int64), role)
    shape = (*sizes.result[:2], sizes.heads, sizes.channels) if spelling.split_heads else sizes.result
    inputs = [made[role] for role in spelling.inputs]
    given: dict[str, Any] = dict(spelling.attributes)
    result = builder.node(spelling.operator, inputs, shape, domain=spelling.domain, **given)
    return builder.reshape(result, sizes.result)


def _check_starts(starts: ir.Value | None, sizes: Sizes) -> Declined | None:
    known = array_of(starts)
    if starts is None:
        return None
    if known is None:
        return Declined("levels-not-constant", "the starts of the levels are not constant")
    if tuple(int(start) for start in known.ravel()) != sizes.starts:
        return Declined(
            "sizes", f"the levels start at {known.ravel().tolist()} where {list(sizes.starts)} is expected"
        )
    return None


def _from_pixels(roles: dict[Role, ir.Value], builder: Builder) -> Attention | Declined:
    """Return locations = reference + offsets / size and weights = softmax, from what the TensorRT operators read."""
    levels = level_sizes(roles["shapes"])
    if isinstance(levels, Declined):
        return levels
    value, reference, offsets, logits = (roles[role] for role in ("value", "reference", "offsets", "logits"))
    shapes = [dims(each) for each in (value, reference, offsets, logits)]
    if len(shapes[0]) != 4 or len(shapes[1]) != 4 or len(shapes[2]) < 4 or len(shapes[3]) < 4:
        return Declined("sizes", f"its inputs are {[list(shape) for shape in shapes]}")
    batch, places, heads, channels = shapes[0]
    queries = shapes[2][1]
    samples, anchors = math.prod(shapes[3][3:]), shapes[1][2] * shapes[1][3] // 2
    points = samples // len(levels)
    sizes = Sizes(batch, queries, heads, points, channels, levels)
    whole = math.prod(shapes[2]) == math.prod(sizes.locations) and math.prod(shapes[3]) == math.prod(
        sizes.weights
    )
    if not whole or places != sizes.places or shapes[1][:2] != (batch, queries) or points % anchors:
        return Declined("sizes", f"its inputs are {[list(shape) for shape in shapes]}")
    unit = np.repeat(
        np.array([[1 / width, 1 / height] for height, width in levels], np.float32), points, axis=0
    )
    wide = (batch, queries, heads * len(levels) * points // anchors, anchors * 2)
    per_point = np.tile(unit, (heads, 1)).reshape(1, 1, *wide[2:])
    scaled = builder.node("Mul", [builder.reshape(offsets, wide), builder.constant(per_point, "unit")], wide)
    anchor = builder.reshape(reference, (batch, queries, 1, anchors * 2))
    places_ = builder.reshape(builder.node("Add", [scaled, anchor], wide), sizes.locations)
    flat = builder.reshape(logits, (batch * queries * heads, samples))
    weights = builder.node("Softmax", [flat], (batch * queries * heads, samples), axis=1)
    return Attention(sizes, value, places_, builder.reshape(weights, sizes.weights))


def _to_pixels(attention: Attention, builder: Builder) -> dict[Role, ir.Value] | Declined:
    """Return reference points at the origin, offsets = locations * size, and what the softmax was taken of."""
    sizes = attention.sizes
    samples = len(sizes.levels) * sizes.points
    logits = _before_softmax(attention.weights, samples, builder)
    if logits is None:
        return Declined("no-softmax", "it takes weights before the softmax, but these come from no softmax")
    wide = (sizes.batch, sizes.queries, sizes.heads, samples * 2)
    size = np.repeat(
        np.array([[width, height] for height, width in sizes.levels], np.float32), sizes.points, axis=0
    )
    places = builder.reshape(attention.locations, wide)
    offsets = builder.node("Mul", [places, builder.constant(size.reshape(1, 1, 1, -1), "sizes")], wide)
    zero = builder.constant(np.zeros((sizes.batch, sizes.queries, 1, 2), np.float32), "origin")
    return {"reference": zero, "offsets": offsets, "logits": builder.reshape(logits, (*wide[:3], samples))}


def _before_softmax(weights: ir.Value, samples: int, builder: Builder) -> ir.Value | None:
    """Return what the softmax over all samples of a head was taken of, in the order of the weights.

    Rows may have been picked, cut and turned after the softmax: it is over one head each, so that picking first and
    taking the softmax then gives the same. The same moves are made on its input.
    """
    known = array_of(weights)
    if known is not None:
        return _logarithms(known, samples, builder)
    path = climb(weights)
    node = path[-1].producer()
    if node is None or node.domain not in STANDARD or node.op_type != "Softmax":
        return None
    if node_axis(node, -1, len(dims(path[-1]))) != len(dims(path[-1])) - 1 or dims(path[-1])[-1] != samples:
        return None
    view = descend(path, View.natural(dims(path[-1])))
    heads = None if view is None else view.reshape([math.prod(dims(weights)) // samples, samples])
    if heads is None or heads.axes[1] != View.natural([samples]).axes[0] or heads.offset % samples:
        return None
    if any(stride % samples for _, stride in heads.axes[0]):
        return None
    source = node.inputs[0]
    assert source is not None
    for value in reversed(path[:-1]):
        source = _moved_too(value, source, builder)
    return source


def _logarithms(weights: npt.NDArray[np.generic], samples: int, builder: Builder) -> ir.Value | None:
    """Return what known weights are the softmax of: their logarithms, if those of every head sum to one."""
    numbers = weights.astype(np.float64)
    if (numbers <= 0).any() or not np.allclose(numbers.reshape(-1, samples).sum(axis=1), 1.0, atol=1e-5):
        return None
    return builder.constant(np.log(numbers).astype(weights.dtype), "logits")


def _moved_too(value: ir.Value, source: ir.Value, builder: Builder) -> ir.Value:
    """Return a source moved as the node that gives a value moves its input."""
    node = value.producer()
    assert node is not None
    if node.op_type != "Split":
        return builder.copy(node, [source, *node.inputs[1:]], dims(value))
    axis = node_axis(node, 0, len(dims(value)))
    start = sum(dims(part)[axis] for part in node.outputs[: list(node.outputs).index(value)])
    return slice_of(builder, source, axis, start, dims(value)[axis])
