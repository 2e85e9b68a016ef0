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

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import SITE_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.ops import WRITES
from specialize.graph.provenance import any_bound
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import dims, numpy_type
from specialize.passes.attempt import NAME, Scope, write
from specialize.passes.cost_model import cost, superseded
from specialize.passes.left_alone import is_left, read_wanted, why_not, written_twice
from specialize.passes.site import CompactedSite, describe
from specialize.passes.together import compact_together
from specialize.rows.arrange import Packing
from specialize.rows.expr import demanded_rows
from specialize.rows.gating import Gate
from specialize.rows.ops.products import FLOPS_PER_BYTE
from specialize.rows.sinks import Sink, is_candidate, is_incidental

GROWTH, NOTICED = 1.1, 4 << 20
"""How many times as much, and how much more, a site may cost and is rewritten all the same: a count is no measurement,
and a mebibyte of traffic is not noticed. Rows that are pooled must cost less than before."""

COSTS_MORE = "costs more than on all"
"""What the note of a site that was left for its cost says, and no other note."""


def compact(
    model: ir.Model, packing: Packing, gates: Sequence[Gate] = ()
) -> tuple[list[CompactedSite], list[Note]]:
    """Rewrite every sink of a graph in place; return the sites in graph order, and what was done or declined."""
    sites: list[CompactedSite] = []
    notes: list[Note] = []
    places = {node: place for place, node in enumerate(model.graph)}
    scope = Scope(model.graph, places, packing, gates, any_bound(model.graph.initializers.values()))
    for node in reversed(places):
        if node.graph is None or not is_candidate(node):
            continue
        outcome = _compact_at(scope, node)
        if isinstance(outcome, Declined):
            # a table or a mask is nothing unusual
            if not is_incidental(node) or outcome.code == "costs-more":
                notes.insert(0, declined(NAME, node, outcome))
            continue
        sites += outcome
        notes[:0] = [Note(NAME, "applied", site.where, _told(site, packing)) for site in reversed(outcome)]
    order = {node_name(node): place for node, place in places.items()}
    sites.sort(key=lambda site: order[site.where])
    _number_sites(model.graph, sites)
    return sites, notes


def _told(site: CompactedSite, packing: Packing) -> str:
    """Return what the note of a site says."""
    told = f"{site.rows_before} rows to {site.rows_computed} for {site.queries} queries"
    if packing.many and any(each.scattered for each in site.room.sums):
        told += "; they are pooled in blocks, in which infinity and NaN spread to other cells"
    return told


def _compact_at(scope: Scope, node: ir.Node) -> list[CompactedSite] | Declined:
    """Rewrite a sink, and others with it that share its work; return the sites, the last in the graph first."""
    reading = read_wanted(scope, node)
    if isinstance(reading, Declined):
        return reading
    if not reading.sink.value.terms:
        return _nothing(scope.graph, reading.sink)
    together = compact_together(scope, reading)
    if together:
        return together
    why = written_twice(reading) or why_not(scope, reading)
    if why is not None:
        return why
    attempt = write(scope, reading)
    before, after = cost(superseded(node)), cost(attempt.builder.made)
    dear = after >= before if attempt.pooled else after > max(GROWTH * before, before + NOTICED)
    if is_left(scope.packing, [node], dear and not reading.differs and not scope.gates):
        attempt.builder.undo()
        return _costs_more(reading.sink, after, before)
    attempt.take()
    return [describe(reading.sink, reading.axes, attempt.emitter, remove_unused(scope.graph, node))]


def _nothing(graph: ir.Graph, sink: Sink) -> list[CompactedSite]:
    """Replace the result of a sink that reads no row at all by zeros: no camera sees any query.

    One camera that sees nothing, of several that write one after the other, is no site: it leaves all as it was.
    """
    result, data = sink.node.outputs[0], sink.node.inputs[0]
    places = array_of(sink.node.inputs[1]) if sink.node.op_type in WRITES else None
    overwritten = all(reader.op_type in WRITES and place == 0 for reader, place in result.uses())
    if data is not None and places is not None and not places.size and overwritten:
        replace(graph, result, data)
        remove_unused(graph, sink.node)
        return []
    builder = Builder(graph, sink.node, f"specialize/{node_name(sink.node)}", {})
    replace(graph, result, builder.constant(np.zeros(dims(result), dtype=numpy_type(result)), "zeros"))
    queries = sink.value.support().size
    seen = np.zeros((0, queries), dtype=np.bool_)
    replaced = frozenset(remove_unused(graph, sink.node))
    return [CompactedSite(node_name(sink.node), queries, (), (), 0, seen, replaced)]


def _costs_more(sink: Sink, after: int, before: int) -> Declined:
    wanted, total = demanded_rows(sink.value)
    share = f"{after / max(1, before):.2f} times as much (operations + {FLOPS_PER_BYTE} x bytes)"
    return Declined("costs-more", f"working on {wanted:,} of {total:,} rows costs more than on all: {share}")


def _number_sites(graph: ir.Graph, sites: list[CompactedSite]) -> None:
    """Mark nodes with the number of their site, in graph order."""
    numbers = {site.where: str(index) for index, site in enumerate(sites)}
    for node in graph:
        where = node.metadata_props.get(SITE_KEY)
        if where in numbers:
            node.metadata_props[SITE_KEY] = numbers[where]
