"""Look up: rows that are only moved and masked by constants are moved once.

What: a chain of gathers, writes, choices, blends `v * (1 - m) + x * m` and sums, all by constants  ->  one Gather of
    the rows that are read from where they are computed, and one sum per row of the result. Of a volume that every
    camera overwrites where it sees a voxel, what is left is the pixel of the last camera, and zeros where none sees it.
Why it is sound: each of these is a row map A, and a chain of them is one; rows that A does not read reach nothing.
Needs: bind and fold, so that places and masks are constants; compact, so that rows with work on them are gone.
Declines when: there is work on the rows; the calibration decides none of the places; moving them once costs more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import VIEWS, WRITES
from specialize.graph.provenance import any_bound
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import STANDARD, dims, is_static, numpy_type
from specialize.passes.cost_model import cost, superseded
from specialize.passes.live_nodes import LiveNodes
from specialize.rows.arrange import Packing, arrange_as
from specialize.rows.axes import Axes
from specialize.rows.calibration_decides import is_decided
from specialize.rows.emit import Emitter
from specialize.rows.expr import Combination, Constant, Source
from specialize.rows.lift import Lifter
from specialize.rows.operators import EMITS, LIFTS
from specialize.rows.sinks import Sink, read_moves
from specialize.rows.sum_back import CAMERAS
from specialize.rows.tensors import Emitted

NAME = "look_up"

MOVES = frozenset({"Add", "Gather", "GatherElements", "GatherND", "ReduceSum", "Where", *WRITES})
"""What may end a chain. A product with a mask alone moves nothing."""

BETWEEN = frozenset({"Concat", "Mul", "Slice", "Split", "Transpose", *VIEWS})
"""What may stand between two of them."""

FARTHEST = 12
"""Nodes between two of them."""


def look_up(model: ir.Model) -> list[Note]:
    """Rewrite every chain of a graph, in place; the last node of a chain is found first."""
    notes: list[Note] = []
    places = {node: place for place, node in enumerate(model.graph)}
    traced = any_bound(model.graph.initializers.values())
    for node in reversed(places):
        if node.graph is not None and _ends_chain(node):
            note = _look_up_at(model.graph, node, places, traced=traced)
            notes = notes if note is None else [note, *notes]
    return notes


def _look_up_at(graph: ir.Graph, node: ir.Node, places: dict[ir.Node, int], *, traced: bool) -> Note | None:
    """Rewrite a chain; None if it is none or is cheaper as it is."""
    axes = Axes()
    lifter = Lifter(axes, LIFTS, LiveNodes(node, places))
    sink = read_moves(node, axes, lifter)
    if isinstance(sink, Declined) or not _only_moves(sink) or (traced and not is_decided(lifter)):
        return None
    builder = Builder(graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
    emitter = Emitter(axes, builder, Packing(), EMITS)
    result = emitter.regroup(_emitted(emitter, sink), axes.layout(sink.layout))
    if cost(builder.made) >= cost(superseded(node)):
        builder.undo()
        return None
    replace(graph, node.outputs[0], builder.reshape(result, dims(node.outputs[0])))
    read, total = _counted(sink.value)
    left = len(remove_unused(graph, node))
    told = f"{len(sink.value.support()):,} rows are looked up in {read:,} of {total:,}, in the place of {left} nodes"
    return Note(NAME, "applied", node_name(node), told)


def _emitted(emitter: Emitter, sink: Sink) -> Emitted:
    """Return the rows of a result: picked if each is one row of one tensor, else picked and summed back."""
    rows, terms = emitter.axes.resolve(sink.value.rows), sink.value.terms
    picked = terms[0].map.as_selection() if len(terms) == 1 else None
    if picked is None:
        return emitter.combine(terms, rows)
    base = terms[0].base
    at = arrange_as(emitter.axes.resolve(base.rows), picked, np.ones(len(picked), np.bool_))
    emitted = emitter.joined(emitter.emit(base, at))
    tokens = [rows if token is at.row else (token,) for token in emitted.tokens]
    return Emitted(emitted.held, tuple(token for part in tokens for token in part))


def _ends_chain(node: ir.Node) -> bool:
    """Return whether a node moves rows by constants and another one not far above it does so too."""
    if not _moves(node):
        return False
    stack = [(value, 0) for value in node.inputs]
    while stack:
        value, steps = stack.pop()
        made = None if value is None else value.producer()
        if made is None or steps >= FARTHEST:
            continue
        if _moves(made):
            return True
        if made.op_type in BETWEEN and made.domain in STANDARD:
            stack += [(source, steps + 1) for source in made.inputs]
    return False


def _moves(node: ir.Node) -> bool:
    """Return whether a node is one that moves rows, by constants as far as a look at it tells."""
    if node.op_type not in MOVES or node.domain not in STANDARD or PASS_KEY in node.metadata_props:
        return False
    if not is_static(node.outputs[0]) or numpy_type(node.outputs[0]).kind != "f":
        return False
    if node.op_type in ("Add", "ReduceSum"):
        return any(map(_is_masked, _inputs(node)))
    if node.op_type == "Where":
        return array_of(node.inputs[0]) is not None
    table = array_of(node.inputs[1])
    return table is not None and table.ndim > 0


def _is_masked(value: ir.Value) -> bool:
    """Return whether a tensor is what was masked, chosen or written by constants, but for its shape."""
    node = value.producer()
    for _ in range(FARTHEST):
        if node is None or node.op_type not in {"Transpose", "Concat", *VIEWS} or node.inputs[0] is None:
            break
        node = node.inputs[0].producer()
    if node is None:
        return False
    if node.op_type == "Mul":
        known = [array for source in _inputs(node) if (array := array_of(source)) is not None]
        return any(array.size > 1 and bool((array == 0).any()) for array in known)
    return node.op_type in ("Where", *WRITES) and _moves(node)


def _inputs(node: ir.Node) -> Iterator[ir.Value]:
    return (value for value in node.inputs if value is not None)


def _only_moves(sink: Sink) -> bool:
    """Return whether a result is rows of tensors of the graph and constants, a few of them for each of its own."""
    terms = sink.value.terms
    sources = [term.base for term in terms if isinstance(term.base, Source)]
    if not sources or not all(isinstance(term.base, Source | Constant) for term in terms):
        return False
    result = sink.node.outputs[0]
    if any(base.value is result or not base.rows for base in sources):
        return False
    kinds = {np.dtype(numpy_type(base.value)) for base in sources}
    return kinds == {np.dtype(numpy_type(result))} and sum(term.map.fan_in() for term in terms) <= CAMERAS


def _counted(value: Combination) -> tuple[int, int]:
    """Return how many rows of tensors of the graph are read, and how many these have."""
    moved = [term.map for term in value.terms if isinstance(term.base, Source)]
    return sum(len(each.demanded()) for each in moved), sum(each.rows_in for each in moved)
