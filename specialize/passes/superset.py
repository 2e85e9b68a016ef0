"""Superset: the calibration stays an input, and the rows that it may ever demand are fixed at build time.

What: mask  ->  mask AND E, with a constant set E of pairs of camera and query.
Why it is sound: E holds every pair that a calibration inside the envelope may see, so there the mask is unchanged. What
    is zero outside E is structurally zero, and compaction drops those rows as it drops the rows of a constant mask.
Needs: the prepared graph, its calibration inputs unbound; E per grid.
Declines when: nothing that the calibration alone decides is the mask of a grid.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.errors import DeclinedError
from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.closure import Closure
from specialize.graph.dependents import dependents
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import ALL_ZERO, ANY_ZERO, OPERATORS, of
from specialize.graph.provenance import mark
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.passes.freeze_indices import pin
from specialize.passes.masks import Bools, Mask
from specialize.rows.gating import Gate
from specialize.rows.sinks import WHOLE

NAME = "superset"
OUTSIDE = "pairs_outside"
"""Name of the extra output: how many pairs are visible outside of E."""

_MOVES = of("view", "turn", "repeat") | {"Slice", "Split", "Gather"}


@dataclass(frozen=True, slots=True)
class Restricted:
    """What restricting masks came to.

    Attributes:
        notes: What was done.
        gates: Today's masks, where rows are computed that are not visible today and nothing else masks them.
    """

    notes: tuple[Note, ...]
    gates: tuple[Gate, ...]


def restrict(
    model: ir.Model,
    closure: Closure,
    masks: dict[ir.Value, Mask],
    supersets: Sequence[Bools],
    arrays: Mapping[str, np.ndarray],
    *,
    count: bool,
) -> Restricted:
    """AND the supersets (N, Q), one per grid, into the masks of a graph, in place.

    Args:
        model: The graph.
        closure: What it computes from the calibration alone.
        masks: As `find_masks` gives them.
        supersets: E.
        arrays: The calibration inputs for any calibration inside.
        count: Whether to add the output `pairs_outside`.

    Raises:
        DeclinedError: There is no mask to restrict.
    """
    _turn_choices(model.graph)
    chosen = _choose(closure, masks)
    if not chosen:
        raise DeclinedError(
            "--mode envelope",
            "a mask of visible queries that the calibration alone decides",
            "none in this graph",
            "use --mode exact, or check the grids of the model's sidecar",
        )
    pinned = pin(model, closure, chosen, supersets, arrays)
    for node in closure.nodes:
        node.meta[WHOLE] = True  # computed for all pairs: cheap, and needed to know what is visible
    counted: dict[int, ir.Value] = {}
    gates: dict[int, Gate] = {}
    notes = []
    for mask in chosen:
        if pinned and mask.grid not in gates:
            gates[mask.grid] = _gate(model.graph, mask, supersets[mask.grid])
        restricted = _restrict(model.graph, mask, supersets[mask.grid])
        if count and mask.grid not in counted:
            counted[mask.grid] = _count_outside(model.graph, mask, restricted, supersets[mask.grid])
        text = f"{int(supersets[mask.grid].sum())} of {supersets[mask.grid].size} pairs may ever be seen"
        notes.append(Note(NAME, "applied", str(mask.value.name), text))
    if count:
        _add_output(model.graph, list(counted.values()))
    return Restricted((*notes, *pinned), tuple(gates.values()))


def _choose(closure: Closure, masks: dict[ir.Value, Mask]) -> list[Mask]:
    """Return the first plain masks on every way, and the first masks of points on ways that have no plain one."""
    chosen = [value for value, mask in masks.items() if mask.is_plain and numpy_type(value).kind in "bf"]
    chosen = _without_followers(closure, chosen)
    for value in masks:
        if _escapes(closure, value, _zeroed(closure, chosen)):
            chosen.append(value)
    return [masks[value] for value in _without_followers(closure, chosen)]


def _without_followers(closure: Closure, chosen: list[ir.Value]) -> list[ir.Value]:
    """Return the values that are not zero outside of E because others are."""
    kept: list[ir.Value] = []
    for value in closure.values:
        if value in chosen and value not in _zeroed(closure, kept):
            kept.append(value)
    return kept


def _zeroed(closure: Closure, chosen: list[ir.Value]) -> Container[ir.Value]:
    """Return the values that are zero outside of E once the chosen masks are."""
    return dependents(closure.nodes, chosen, _passes_zeros)


def _escapes(closure: Closure, value: ir.Value, zeroed: Container[ir.Value]) -> bool:
    """Return whether more than the calibration's share reads a value without a restricted mask in between."""
    stack, seen = [value], {value}
    while stack:
        current = stack.pop()
        if current in zeroed:
            continue
        for usage in current.uses():
            if not closure.reads(usage.node):
                return True
            fresh = [other for other in usage.node.outputs if other not in seen]
            seen.update(fresh)
            stack.extend(fresh)
    return False


def _passes_zeros(node: ir.Node, zeroed: Container[ir.Value]) -> bool:
    """Return whether a result is structurally zero for a pair because an operand is."""
    zero = [value in zeroed for value in node.inputs if value is not None]
    if node.op_type in ANY_ZERO:
        return any(zero)
    if node.op_type in ALL_ZERO:
        return all(zero)
    first = node.op_type in _MOVES or (node.op_type in OPERATORS and OPERATORS[node.op_type].zeros == "first")
    return first and bool(zero) and zero[0]


def _turn_choices(graph: ir.Graph) -> None:
    """Write `Where(Not(c), a, b)` as `Where(c, b, a)`, so that zeros of a mask are zeros of what it chooses."""
    for node in list(graph):
        chain = _up_to_not(node.inputs[0]) if node.op_type == "Where" else None
        if chain is None:
            continue
        _, yes, no = node.inputs
        condition = chain[-1].inputs[0]
        builder = Builder(graph, node, f"specialize/{NAME}/{node_name(node)}", {PASS_KEY: NAME})
        for step in reversed(chain[:-1]):
            condition = builder.copy(step, [condition, *step.inputs[1:]], dims(step.outputs[0]))
        for place, value in enumerate((condition, no, yes)):
            node.replace_input_with(place, value)


def _up_to_not(value: ir.Value | None) -> list[ir.Node] | None:
    """Return the nodes that only move or convert a condition, up to the one that negates it; None without one."""
    chain: list[ir.Node] = []
    while value is not None and value.dtype == ir.DataType.BOOL:
        node = value.producer()
        if node is None or not is_static(value):
            return None
        chain.append(node)
        if node.op_type == "Not":
            return chain
        if node.op_type not in _MOVES | {"Cast"}:
            return None
        value = node.inputs[0]
    return None


def _restrict(graph: ir.Graph, mask: Mask, pairs: Bools) -> ir.Value:
    """Let everything that reads a mask read the restricted one instead; return that."""
    value = mask.value
    builder = _builder_after(graph, value)
    within = mark(builder.constant(mask.spread(pairs).astype(numpy_type(value)), "superset"))
    op_type = "And" if value.dtype == ir.DataType.BOOL else "Mul"
    restricted = builder.node(op_type, [value, within], dims(value))
    node = restricted.producer()
    for usage in list(value.uses()):
        if usage.node is not node:
            usage.node.replace_input_with(usage.idx, restricted)
    return restricted


def _gate(graph: ir.Graph, mask: Mask, pairs: Bools) -> Gate:
    """Return today's mask of all pairs, and a one behind it for rows that always count."""
    builder = _builder_after(graph, mask.value)
    flat = builder.reshape(_visible(builder, mask), [1, pairs.size, 1])
    one = builder.constant(np.ones((1, 1, 1), dtype=np.float32), "always")
    return Gate(builder.node("Concat", [flat, one], [1, pairs.size + 1, 1], axis=1), pairs)


def _count_outside(graph: ir.Graph, mask: Mask, restricted: ir.Value, pairs: Bools) -> ir.Value:
    """Return how many pairs are visible outside of E, [1] float32, by products alone: opsets reduce differently."""
    builder = _builder_after(graph, restricted)
    flat = builder.reshape(_visible(builder, mask), [1, pairs.size])
    outside = builder.constant((~pairs).reshape(-1, 1).astype(np.float32), "outside")
    return builder.reshape(builder.node("MatMul", [flat, outside], [1, 1]), [1])


def _visible(builder: Builder, mask: Mask) -> ir.Value:
    """Return which pairs (N, Q, 1) are visible today, one or zero as float."""
    number = ir.DataType.FLOAT
    visible = builder.node("Cast", [mask.value], dims(mask.value), dtype=number, to=int(number))
    cube = builder.reshape(visible, [mask.sizes[part] for part in mask.order])
    if mask.order != (0, 1, 2):
        cube = builder.node("Transpose", [cube], mask.sizes, perm=np.argsort(mask.order).tolist())
    size = builder.node("Abs", [cube], mask.sizes)
    if not mask.is_plain:
        ones = builder.constant(np.ones((mask.sizes[2], 1), dtype=np.float32), "ones")
        size = builder.node("MatMul", [size, ones], [*mask.sizes[:2], 1])
    return builder.node("Sign", [size], dims(size))


def _add_output(graph: ir.Graph, counts: list[ir.Value]) -> None:
    """Make the sum of the counts of all grids an output."""
    output = ir.node("Sum", counts, name=f"specialize/{OUTSIDE}", metadata_props={PASS_KEY: NAME})
    value = output.outputs[0]
    value.name, value.type, value.shape = OUTSIDE, ir.TensorType(ir.DataType.FLOAT), ir.Shape([1])
    graph.append(output)
    graph.outputs.append(value)


def _builder_after(graph: ir.Graph, value: ir.Value) -> Builder:
    """Return a builder of nodes that stand right behind the one that makes a value."""
    node = value.producer()
    assert node is not None
    follower = graph[graph.index(node) + 1]
    return Builder(graph, follower, f"specialize/{NAME}/{value.name}", {PASS_KEY: NAME})
