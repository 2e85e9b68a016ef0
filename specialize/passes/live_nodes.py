"""Live nodes: those that are computed for all their rows anyway, whatever becomes of one sink."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir


class LiveNodes:
    """The nodes that something other than a sink needs: they are computed for all their rows anyway.

    A node is not alive if everything that reads it leads to the sink and nowhere else. What stands behind the sink
    in the order of the graph cannot lead to it, so only nodes between the two are ever looked at.

    Args:
        sink: The sink.
        places: Every node's place in the order of the graph.
        others: Sinks that are rewritten together with this one; what leads to any of them is not alive either. Their
            own results are.
    """

    def __init__(
        self, sink: ir.Node, places: Mapping[ir.Node, int], others: Collection[ir.Node] = ()
    ) -> None:
        self._places, self._others = places, frozenset(others) - {sink}
        self._last = max(places[each] for each in (sink, *others))
        self._alive: dict[ir.Node, bool] = dict.fromkeys((sink, *others), False)

    def __contains__(self, node: object) -> bool:
        assert isinstance(node, ir.Node)
        if node in self._others:
            return True
        stack = [node]
        while stack:
            current = stack[-1]
            if current not in self._alive and self._places.get(current, self._last) < self._last:
                readers = {reader for value in current.outputs for reader, _ in value.uses()}
                unknown = [reader for reader in readers if reader not in self._alive]
                if unknown:
                    stack.extend(unknown)
                    continue
                read_outside = any(value.is_graph_output() for value in current.outputs)
                self._alive[current] = read_outside or any(self._alive[reader] for reader in readers)
            self._alive.setdefault(current, True)
            stack.pop()
        return self._alive[node]
