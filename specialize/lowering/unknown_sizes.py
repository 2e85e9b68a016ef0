"""Deformable attention of unknown sizes, in operators that every runtime has.

What: a custom operator on rows that are counted at run time  ->  GridSample per level, times weights, summed; every
    size that a Reshape needs is read off the inputs.
Why it is sound: it is the operator's definition, as in `lowering/sampling.py`, where sizes are numbers.
Needs: GridSample (opset 16), and constant sizes of maps.
Declines when: the sizes of maps or their starts are not constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from specialize.attention.operator import level_sizes
from specialize.graph.builder import Builder
from specialize.graph.custom import CUSTOM, Role, Spelling, roles_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, node_name
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import is_static
from specialize.lowering.sampling import linear
from specialize.lowering.unsized import Unsized

NAME = "lower"


def has_unknown_sizes(node: ir.Node) -> bool:
    """Return whether a node is deformable attention of which some size is not a number."""
    known = (node.domain, node.op_type) in CUSTOM
    return known and not all(value is None or is_static(value) for value in node.inputs)


def define_unknown_sizes(model: ir.Model) -> list[Note]:
    """Write every deformable attention of unknown sizes in standard operators, in place; others stay."""
    notes = []
    for node in list(model.graph):
        if not has_unknown_sizes(node):
            continue
        spelling = CUSTOM[node.domain, node.op_type]
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {})
        result = _defined(node, spelling, builder, model.graph.opset_imports[""])
        if isinstance(result, Declined):
            builder.undo()
            continue
        replace(model.graph, node.outputs[0], result)
        remove_unused(model.graph, node)
        notes.append(Note(NAME, "applied", node_name(node), f"{spelling.title} of unknown sizes: GridSample"))
    return notes


def _defined(node: ir.Node, spelling: Spelling, builder: Builder, opset: int) -> ir.Value | Declined:
    """Return the result in standard operators, [N, Q, M * d] or with heads apart."""
    wanted = roles_of(node, spelling)
    if len(node.inputs) != len(wanted) or any(value is None for value in node.inputs):
        return Declined("inputs", f"{len(node.inputs)} inputs where {len(wanted)} are expected")
    roles: dict[Role, ir.Value] = {
        role: value for role, value in zip(wanted, node.inputs, strict=True) if value is not None
    }
    levels = level_sizes(roles["shapes"])
    if isinstance(levels, Declined):
        return levels
    if spelling.in_pixels:
        roles |= _from_pixels(Unsized(builder), roles, levels)
    starts = [0, *np.cumsum([height * width for height, width in levels])]
    given = roles.get("starts")
    known = array_of(given)
    if given is not None and (known is None or known.ravel().tolist() != starts[:-1]):
        return Declined("levels-not-constant", "the starts of the levels are not those of its maps")
    result = _summed(Unsized(builder), roles, levels, opset)
    told = node.outputs[0].shape  # a file may state another rank than the operator is documented to give
    if len(told) == 3 if told is not None else not spelling.split_heads:
        return result
    make, value = Unsized(builder), roles["value"]
    return make.shaped(result, [make.size(value, 0), make.size(result, 1), make.size(value, 2), -1])


def _from_pixels(
    make: Unsized, roles: Mapping[Role, ir.Value], levels: Sequence[tuple[int, int]]
) -> dict[Role, ir.Value]:
    """Return locations [N, Q, M, L, P, 2] = reference + offsets / size, and weights [N, Q, M, L, P] = softmax.

    A query may have several reference points, which its points take in turn: `attention/vendors.py` says the same of
    known sizes.
    """
    value, reference, offsets = roles["value"], roles["reference"], roles["offsets"]
    batch, queries, heads = make.size(value, 0), make.size(offsets, 1), make.size(value, 2)
    anchors = make.shaped(reference, [batch, queries, 1, -1])  # [N, Q, 1, A * 2]
    apart: list[int | ir.Value] = [batch, queries, heads, len(levels), -1]
    pixel = np.array([[1 / width, 1 / height] for height, width in levels], np.float32)[:, None]  # [L, 1, 2]
    moved = make.op("Mul", make.shaped(offsets, [*apart, 2]), make.array(pixel, "pixel"))
    moved = make.shaped(moved, [batch, queries, -1, make.size(anchors, 3)])
    places = make.shaped(make.op("Add", moved, anchors), [*apart, 2])
    shares = make.op("Softmax", make.shaped(roles["logits"], [batch, queries, heads, -1]), axis=3)
    return {"locations": places, "weights": make.shaped(shares, apart)}


def _summed(
    make: Unsized, roles: Mapping[Role, ir.Value], levels: Sequence[tuple[int, int]], opset: int
) -> ir.Value:
    """Return the sum over all levels and points, [N, Q, M * d]."""
    value, locations, weights = roles["value"], roles["locations"], roles["weights"]
    queries, points = make.size(locations, 1), make.size(locations, 4)
    two, one = (make.number(number) for number in (2.0, 1.0))
    start, total = 0, None
    for level, (height, width) in enumerate(levels):
        end = start + height * width
        maps = make.op("Slice", value, *map(make.ints, ([start], [end], [1])))
        maps, start = make.op("Transpose", maps, perm=[0, 2, 3, 1]), end
        image = make.shaped(maps, [-1, make.size(value, 3), height, width])  # [N M, d, h, w]
        places = make.op("Transpose", make.level(locations, level), perm=[0, 2, 1, 3, 4])
        grid = make.shaped(places, [-1, queries, points, 2])  # [N M, Q, P, 2]
        grid = make.op("Sub", make.op("Mul", grid, two), one)
        read = make.op("GridSample", image, grid, mode=linear(opset), padding_mode="zeros", align_corners=0)
        share = make.op("Transpose", make.level(weights, level), perm=[0, 2, 1, 3])
        weighted = make.op("Mul", read, make.shaped(share, [-1, 1, queries, points]))
        summed = make.op("ReduceSum", weighted, make.ints([3]), keepdims=0)  # [N M, d, Q]
        total = summed if total is None else make.op("Add", total, summed)
    assert total is not None
    joined = make.shaped(total, [make.size(value, 0), -1, queries])
    return make.op("Transpose", joined, perm=[0, 2, 1])
