"""One sink, read and written anew beside the old nodes: what compaction decides about.

Nothing of the old graph is changed until an attempt is taken; one that is not is undone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, SITE_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.notes import node_name
from specialize.graph.rewrite import replace
from specialize.graph.shapes import dims
from specialize.passes.live_nodes import LiveNodes
from specialize.rows.arrange import Packing
from specialize.rows.axes import Axes
from specialize.rows.emit import Emitter
from specialize.rows.expr import Constant
from specialize.rows.gating import Gate
from specialize.rows.lift import Lifter
from specialize.rows.operators import EMITS, LIFTS
from specialize.rows.prefix_sums import multiplied_out, reads_differences
from specialize.rows.sinks import Sink, read_sink
from specialize.rows.sum_back import CAMERAS

NAME = "compact"

TABLES = frozenset({"rows", "back", "scale", "order", "blocks", "cells", "table"})
"""Labels of constants that may differ between vehicles."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What all sinks of a graph are read and written in.

    Attributes:
        graph: The graph.
        places: Every node's place in it.
        packing: How rows are packed.
        gates: For pairs whose mask is known at run time only: where that mask is.
        traced: Whether constants of the graph tell whether the calibration decided them.
    """

    graph: ir.Graph
    places: Mapping[ir.Node, int]
    packing: Packing
    gates: Sequence[Gate]
    traced: bool


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A sink in terms of rows.

    Attributes:
        sink: The sink.
        axes: Where its factors are kept.
        lifter: What read it.
        live: Nodes that are computed for all their rows anyway.
        differs: Whether it reads differences of cumulative sums.
    """

    sink: Sink
    axes: Axes
    lifter: Lifter
    live: LiveNodes
    differs: bool


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A sink written anew.

    Attributes:
        reading: What was read.
        builder: Made the new nodes.
        emitter: Knows which rows they compute.
        result: The result of the sink, on its axes.
    """

    reading: Reading
    builder: Builder
    emitter: Emitter
    result: ir.Value

    @property
    def pooled(self) -> bool:
        """Whether more rows are summed to one than a rig has cameras."""
        return self.emitter.sums[0].fan_in > CAMERAS

    def needed(self) -> set[str]:
        """Names of the nodes on the way from the rows that are computed to the sink."""
        return {node_name(node) for node in self.reading.lifter.holding(self.emitter.bases())}

    def take(self) -> None:
        """Let everything read the new result; the old nodes stay."""
        node = self.reading.sink.node
        replace(self.builder.graph, node.outputs[0], self.builder.reshape(self.result, dims(node.outputs[0])))
        self.builder.drop_unread()  # products that sums in blocks have multiplied themselves


def read(scope: Scope, node: ir.Node, others: Collection[ir.Node] = ()) -> Reading | Declined:
    """Return a sink in terms of rows.

    Args:
        scope: Where it stands.
        node: The sink.
        others: Sinks that are rewritten together with it.
    """
    axes, live = Axes(), LiveNodes(node, scope.places, others)
    lifter = Lifter(axes, LIFTS, live)
    sink = read_sink(node, axes, lifter)
    if isinstance(sink, Declined):
        return sink
    differs, value = reads_differences(sink.value), multiplied_out(sink.value)
    differs = differs and not all(isinstance(term.base, Constant) for term in value.terms)
    return Reading(dataclasses.replace(sink, value=value), axes, lifter, live, differs)


def write(scope: Scope, reading: Reading) -> Attempt:
    """Make the nodes that compute a sink from the rows that it reads.

    Raises:
        NoRoomError: The rows do not fit in what is kept for them.
    """
    sink, axes = reading.sink, reading.axes
    room = scope.packing.room(node_name(sink.node))
    marks = {PASS_KEY: NAME, SITE_KEY: node_name(sink.node)}
    apart = frozenset() if room is None else TABLES
    builder = Builder(scope.graph, sink.node, f"specialize/{node_name(sink.node)}", marks, apart)
    emitter = Emitter(axes, builder, scope.packing, EMITS, room)
    emitted = emitter.combine(sink.value.terms, axes.resolve(sink.value.rows), gates=scope.gates)
    return Attempt(reading, builder, emitter, emitter.regroup(emitted, axes.layout(sink.layout)))
