"""Demote float64: compute in float32 what exporters left in float64 by accident.

What: Cast(float64) -> Add float64 -> GridSample with a float64 grid  ->  the same in float32.
Why it is sound: up to the rounding of float32, which is what the rest of the model has; runtimes and toolchains have no
    GridSample for float64 places, and nothing else that is fast in it.
Needs: fold, so that the geometry of the calibration was computed in the width it was written in.
Declines when: an input or output of the graph is float64 and part of it: times in seconds since 1970 lose seconds in
    float32; when a comparison or a rounding to whole numbers reads it; when a constant does not fit float32; when a
    subgraph reads it.
"""

from __future__ import annotations

import networkx
import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY
from specialize.graph.declined import Declined
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.ops import DECIDES
from specialize.graph.subgraphs import has_subgraph, node_reads
from specialize.text.units import counted

NAME = "narrow"
WIDE, NARROW = ir.DataType.DOUBLE, ir.DataType.FLOAT


def narrow(model: ir.Model) -> list[Note]:
    """Bring islands of float64 to float32, in place."""
    notes = []
    for island in _islands(model.graph):
        nodes = [
            node for node in model.graph if any(value in island for value in (*node.inputs, *node.outputs))
        ]
        where = node_name(nodes[0])
        reason = _kept(island, nodes)
        if reason is not None:
            notes.append(declined(NAME, where, reason))
            continue
        for value in island:
            _narrow_value(value)
        for node in nodes:
            _narrow_node(model.graph, node)
        notes.append(
            Note(NAME, "applied", where, f"{counted(len(nodes), 'node')} computed in float64 without need")
        )
    return notes


def _islands(graph: ir.Graph) -> list[set[ir.Value]]:
    """Return the float64 values, those together that one node reads or writes together; in graph order."""
    together: networkx.Graph[ir.Value] = networkx.Graph()
    order: dict[ir.Value, int] = {}
    for node in graph:
        wide = [value for value in (*node_reads(node), *node.outputs) if value.dtype == WIDE]
        order.update({value: len(order) for value in wide if value not in order})
        together.add_nodes_from(wide)
        together.add_edges_from((wide[0], value) for value in wide[1:])
    return sorted(
        networkx.connected_components(together), key=lambda found: min(order[value] for value in found)
    )


def _kept(island: set[ir.Value], nodes: list[ir.Node]) -> Declined | None:
    """Return why an island must stay float64; None if it need not."""
    if any(value.is_graph_input() or value.is_graph_output() for value in island):
        return Declined("asked-for", "float64 is asked for: an input or output of the graph has it")
    if any(set(node_reads(node)) - set(node.inputs) & island for node in nodes if has_subgraph(node)):
        return Declined("subgraph", "a subgraph reads it")
    for node in nodes:
        target = node.attributes["to"].as_int() if node.op_type == "Cast" else NARROW
        if node.op_type in DECIDES or not ir.DataType(target).is_floating_point():
            return Declined(
                "decides", f"{node.op_type} depends on it for a decision, which rounding could change"
            )
    for value in island:
        if value.const_value is not None and not _fits(value.const_value.numpy()):
            return Declined("does-not-fit", f"the constant {value.name!r} does not fit float32")
    return None


def _fits(array: np.ndarray) -> bool:
    """Return whether float32 holds an array: no overflow, and whole numbers exactly."""
    finite = array[np.isfinite(array)]
    small = np.abs(finite) < np.finfo(np.float32).max
    whole = finite == np.round(finite)
    return bool(small.all() and (finite[whole] == finite[whole].astype(np.float32)).all())


def _narrow_value(value: ir.Value) -> None:
    if value.const_value is not None:
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)
    value.type = ir.TensorType(NARROW)


def _narrow_node(graph: ir.Graph, node: ir.Node) -> None:
    node.metadata_props[PASS_KEY] = NAME
    if node.op_type != "Cast" or node.inputs[0] is None:
        return
    if node.attributes["to"].as_int() == WIDE:
        node.attributes["to"] = ir.AttrInt64("to", NARROW)
    if node.inputs[0].dtype == node.outputs[0].dtype and not node.outputs[0].is_graph_output():
        ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
        graph.remove(node, safe=True)
