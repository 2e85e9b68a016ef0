"""Compact: compute row-wise work only for the rows that are read.

What: any chain of row maps and row-wise functions that ends in a sum over masked cameras, a gather back or a scatter to
    constant places  ->  gather the demanded rows, work on those, sum back per query.
Why it is sound: a row-wise function commutes with selections, f(S x) = S f(x); the sink is A f(x) with a known
    sparse A, and rows that A does not read reach nothing. A = A' S with S the demanded rows, so A f(x) = A' f(S x).
Needs: bind and fold, so that masks and indices are constants.
Declines when: every row is read; the mask is not constant; an operator on the way mixes rows; many rows are pooled
    into one and picking them costs more than working on all; so does any other site by more than a tenth; the rows are
    the same for every calibration, as those of a slice that is written in place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, SITE_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.ops import WRITES
from specialize.graph.provenance import any_bound
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import dims, numpy_type
from specialize.passes.cost_model import cost, superseded
from specialize.passes.live_nodes import LiveNodes
from specialize.passes.site import CompactedSite, describe
from specialize.rows.arrange import Packing
from specialize.rows.axes import Axes
from specialize.rows.calibration_decides import is_decided
from specialize.rows.emit import Emitter, demanded_rows, samples_groups
from specialize.rows.expr import Constant, Source
from specialize.rows.gating import Gate
from specialize.rows.lift import Lifter
from specialize.rows.operators import EMITS, LIFTS
from specialize.rows.ops.products import FLOPS_PER_BYTE
from specialize.rows.ops.scatter import WRITTEN_TWICE
from specialize.rows.prefix_sums import multiplied_out, reads_differences
from specialize.rows.sinks import Sink, is_candidate, is_incidental, read_sink
from specialize.rows.sum_back import CAMERAS

NAME = "compact"

GROWTH, NOTICED = 1.1, 4 << 20
"""How many times as much, and how much more, a site may cost and is rewritten all the same: a count is no measurement,
and a mebibyte of traffic is not noticed. Rows that are pooled must cost less than before."""

COSTS_MORE = "costs more than on all"
"""What the note of a site that was left for its cost says, and no other note."""

TABLES = frozenset({"rows", "back", "scale", "order", "blocks", "cells", "table"})
"""Labels of constants that may differ between vehicles."""


def compact(
    model: ir.Model, packing: Packing, gates: Sequence[Gate] = ()
) -> tuple[list[CompactedSite], list[Note]]:
    """Rewrite every sink of a graph in place; return the sites in graph order, and what was done or declined."""
    sites: list[CompactedSite] = []
    notes: list[Note] = []
    places = {node: place for place, node in enumerate(model.graph)}
    traced = any_bound(model.graph.initializers.values())
    for node in reversed(places):
        if node.graph is None or not is_candidate(node):
            continue
        outcome = _compact_at(model.graph, node, places, packing, gates, traced)
        if isinstance(outcome, CompactedSite):
            sites.insert(0, outcome)
            told = f"{outcome.rows_before} rows to {outcome.rows_computed} for {outcome.queries} queries"
            if packing.many and any(each.scattered for each in outcome.room.sums):
                told += "; they are pooled in blocks, in which infinity and NaN spread to other cells"
            notes.insert(0, Note(NAME, "applied", outcome.where, told))
        elif not is_incidental(node) or outcome.code == "costs-more":  # a table or a mask is nothing unusual
            notes.insert(0, declined(NAME, node, outcome))
    _number_sites(model.graph, sites)
    return sites, notes


def _compact_at(
    graph: ir.Graph,
    node: ir.Node,
    places: Mapping[ir.Node, int],
    packing: Packing,
    gates: Sequence[Gate],
    traced: bool,
) -> CompactedSite | Declined:
    axes = Axes()
    lifter = Lifter(axes, LIFTS, LiveNodes(node, places))
    sink = read_sink(node, axes, lifter)
    if isinstance(sink, Declined):
        return sink
    differs, value = reads_differences(sink.value), multiplied_out(sink.value)
    differs = differs and not all(isinstance(term.base, Constant) for term in value.terms)
    sink = dataclasses.replace(sink, value=value)
    if traced and not is_decided(lifter):
        return Declined("not-of-the-calibration", "its rows are the same for every calibration")
    if not sink.value.terms:
        return _nothing(graph, sink)
    why = _written_twice(sink, lifter) or (None if differs else _why_not(node, sink, packing, lifter))
    if why is not None:
        return why
    room = packing.room(node_name(node))
    marks = {PASS_KEY: NAME, SITE_KEY: node_name(node)}
    apart = frozenset() if room is None else TABLES
    builder = Builder(graph, node, f"specialize/{node_name(node)}", marks, apart)
    emitter = Emitter(axes, builder, packing, EMITS, room)
    rows = axes.resolve(sink.value.rows)
    emitted = emitter.combine(sink.value.terms, rows, gates=gates)
    result = emitter.regroup(emitted, axes.layout(sink.layout))
    before, after = cost(superseded(node)), cost(builder.made)
    pooled = emitter.sums[0].fan_in > CAMERAS
    dear = after >= before if pooled else after > max(GROWTH * before, before + NOTICED)
    if _is_left(node, packing, dear and not differs and not gates):
        builder.undo()
        return _costs_more(sink, after, before)
    replace(graph, node.outputs[0], builder.reshape(result, dims(node.outputs[0])))
    builder.drop_unread()  # products that sums in blocks have multiplied themselves
    return describe(sink, axes, emitter, remove_unused(graph, node))


def _written_twice(sink: Sink, lifter: Lifter) -> Declined | None:
    """Return the reason if a sink reads a place that a scatter writes more than once; None if it does not."""
    read = (term.base.value for term in sink.value.terms if isinstance(term.base, Source))
    reasons = (lifter.reasons.get(value) for value in read)
    return next((why for why in reasons if why is not None and why.code == WRITTEN_TWICE.code), None)


def _is_left(node: ir.Node, packing: Packing, dear: bool) -> bool:
    """Return whether a sink stays as it is: by name, or because it costs more and need not be rewritten."""
    return node_name(node) in packing.left or (dear and not packing.many and not packing.every_site)


def _why_not(node: ir.Node, sink: Sink, packing: Packing, lifter: Lifter) -> Declined | None:
    """Return why it is of no use to rewrite a sink; None if it is."""
    wanted, total = demanded_rows(sink.value)
    if total == 0:
        return _why_no_work(lifter)
    if is_incidental(node) and not samples_groups(sink.value):
        return Declined("not-sampled", "what it picks or masks is not sampled")
    if packing.many and any(term.map.fan_in() > CAMERAS for term in sink.value.terms):
        return None  # what is pooled for many vehicles
    if wanted == total and (node.op_type not in WRITES or not samples_groups(sink.value)):
        return Declined("every-row-read", f"every one of the {total} rows is read")
    return None


def _nothing(graph: ir.Graph, sink: Sink) -> CompactedSite:
    """Replace the result of a sink that reads no row at all by zeros: no camera sees any query."""
    result = sink.node.outputs[0]
    builder = Builder(graph, sink.node, f"specialize/{node_name(sink.node)}", {})
    replace(graph, result, builder.constant(np.zeros(dims(result), dtype=numpy_type(result)), "zeros"))
    queries = sink.value.support().size
    seen = np.zeros((0, queries), dtype=np.bool_)
    replaced = frozenset(remove_unused(graph, sink.node))
    return CompactedSite(node_name(sink.node), queries, (), (), 0, seen, replaced)


def _costs_more(sink: Sink, after: int, before: int) -> Declined:
    wanted, total = demanded_rows(sink.value)
    share = f"{after / max(1, before):.2f} times as much (operations + {FLOPS_PER_BYTE} x bytes)"
    return Declined("costs-more", f"working on {wanted:,} of {total:,} rows costs more than on all: {share}")


def _why_no_work(lifter: Lifter) -> Declined:
    causes = tuple(sorted(set(lifter.reasons.values()), key=lambda cause: (cause.text, cause.code)))
    texts = f" ({'; '.join(cause.text for cause in causes)})" if causes else ""
    return Declined("no-work", f"no row-wise work above it{texts}", causes)


def _number_sites(graph: ir.Graph, sites: list[CompactedSite]) -> None:
    """Mark nodes with the number of their site, in graph order."""
    numbers = {site.where: str(index) for index, site in enumerate(sites)}
    for node in graph:
        where = node.metadata_props.get(SITE_KEY)
        if where in numbers:
            node.metadata_props[SITE_KEY] = numbers[where]
