"""Sinks that share work: planes, heights or layers whose rows are sampled at once, and cut apart behind that.

What one sink reads of such work is computed for all rows as long as another sink reads it, too. Sinks that are all its
readers are rewritten together: each then samples the rows that it reads itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.equal_nodes import distinct
from specialize.graph.ops import SAMPLERS
from specialize.graph.rewrite import remove_unused
from specialize.passes.attempt import Attempt, Reading, Scope, read, write
from specialize.passes.cost_model import cost, superseded
from specialize.passes.left_alone import is_left, read_wanted, why_not, written_twice
from specialize.passes.live_nodes import LiveNodes
from specialize.passes.site import CompactedSite, describe
from specialize.rows.expr import Apply, Combination, Operand, Source, samples_groups
from specialize.rows.sinks import is_candidate

FARTHEST = 24
"""Nodes between what sinks share and the sampling above it."""


def compact_together(scope: Scope, reading: Reading) -> list[CompactedSite]:
    """Rewrite a sink and those that read parts of the same sampled rows; nothing if there are none, or it does not pay.

    Alone each would leave the shared work as it is, since the others read it.
    """
    nodes = partners(scope, reading)
    if not nodes or is_left(scope.packing, nodes, dear=False):
        return []
    readings = [read_wanted(scope, node, nodes) for node in nodes]
    usable = [each for each in readings if isinstance(each, Reading) and _is_sampled(scope, each)]
    if len(usable) < len(nodes):
        return []
    attempts = [write(scope, each) for each in usable]
    made = distinct(node for attempt in reversed(attempts) for node in attempt.builder.made)
    dear = cost(made) >= cost(superseded(*nodes))
    if any(attempt.pooled for attempt in attempts) or is_left(scope.packing, nodes, dear):
        for attempt in reversed(attempts):
            attempt.builder.undo()
        return []
    for attempt in attempts:
        attempt.take()
    removed = [name for node in nodes for name in remove_unused(scope.graph, node)]
    return [_described(attempt, attempts, removed) for attempt in attempts]


def _described(attempt: Attempt, attempts: Sequence[Attempt], removed: Sequence[str]) -> CompactedSite:
    """Return the figures of one of several sinks; of the removed nodes its own are those that no other needs alone."""
    others = {name for each in attempts if each is not attempt for name in each.needed()} - attempt.needed()
    own = [name for name in removed if name not in others]
    return describe(attempt.reading.sink, attempt.reading.axes, attempt.emitter, own)


def _is_sampled(scope: Scope, reading: Reading) -> bool:
    """Return whether what a sink reads is sampled for more rows than it reads."""
    value = reading.sink.value
    if not value.terms or reading.differs or not samples_groups(value):
        return False
    return written_twice(reading) is None and why_not(scope, reading) is None


def partners(scope: Scope, reading: Reading) -> list[ir.Node]:
    """Return a sink and those that share sampled rows with it, the last in the graph first; nothing if there are none.

    Args:
        scope: Where they stand.
        reading: The sink, read on its own.
    """
    found: dict[ir.Node, None] = {}
    for shared in _shared(scope, reading):
        if shared not in found:
            found.update(dict.fromkeys(_readers(scope, reading.sink.node, shared)))
    return sorted(found, key=lambda node: -scope.places[node])


def _shared(scope: Scope, reading: Reading) -> Iterator[ir.Node]:
    """Yield the nodes below a sampling of which a sink reads some rows and others read rows as well."""
    for value, read_in_part in _sources(reading.sink.value):
        node = value.producer()
        if node is None or node not in scope.places or node not in reading.live:
            continue
        if (read_in_part or scope.packing.many) and _samples_above(node):
            yield node


def _sources(value: Combination) -> Iterator[tuple[ir.Value, bool]]:
    """Yield the tensors of the graph that a combination reads, and whether it leaves out rows of them."""
    stack, seen = [(term.base, term.map) for term in value.terms], set()
    while stack:
        base, read_rows = stack.pop()
        wanted = read_rows.demanded()
        key = (id(base), wanted.tobytes())
        if key in seen:
            continue
        seen.add(key)
        if isinstance(base, Source):
            yield base.value, len(wanted) < read_rows.rows_in
        for operand in base.operands if isinstance(base, Apply) else ():
            for term in operand.value.terms if isinstance(operand, Operand) else ():
                each = term.map.rows_out // read_rows.rows_in  # a reduction over rows reads several for one
                rows = (wanted[:, None] * each + np.arange(each)).ravel()
                stack.append((term.base, term.map.take_rows(rows)))


def _samples_above(node: ir.Node) -> bool:
    """Return whether there is a sampling not far above a node, or at it."""
    queue, seen = [node], 0
    while queue and seen < FARTHEST:
        current = queue.pop(0)
        seen += 1
        if current.op_type in SAMPLERS:
            return True
        queue += [made for value in current.inputs if value is not None and (made := value.producer())]
    return False


def _readers(scope: Scope, sink: ir.Node, shared: ir.Node) -> Sequence[ir.Node]:
    """Return a sink and others before it if together they are all that needs a node; nothing if something else does."""
    between = [node for node in _below(scope, shared, sink) if is_candidate(node)]
    if shared in LiveNodes(sink, scope.places, between):
        return ()
    chosen = [sink]
    for node in sorted(between, key=lambda each: -scope.places[each]):
        live = LiveNodes(sink, scope.places, chosen)
        if shared not in live:
            break
        if node in live and not isinstance(read(scope, node), Declined):
            chosen.append(node)
    return () if shared in LiveNodes(sink, scope.places, chosen) else chosen


def _below(scope: Scope, node: ir.Node, sink: ir.Node) -> list[ir.Node]:
    """Return what depends on a node and stands before a sink in the graph."""
    found: dict[ir.Node, None] = {}
    stack = [node]
    while stack:
        for value in stack.pop().outputs:
            for reader, _ in value.uses():
                if reader not in found and scope.places.get(reader, scope.places[sink]) < scope.places[sink]:
                    found[reader] = None
                    stack.append(reader)
    return list(found)
