"""Clean up: remove what is not needed any more, and merge what is there twice.

What: dead nodes, equal constants, equal nodes, identities, chains of Reshape  ->  none, one, one, none, the last one.
Why it is sound: it is unused, or another node computes the same; a Reshape reads only the order of elements.
Needs: nothing.
Declines when: never.
"""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common

from specialize.graph.equal_constants import merge_constants
from specialize.graph.notes import Note
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.subgraphs import remove_dead
from specialize.text.units import counted

NAME = "tidy"
LARGEST_MERGED = 1 << 26
"""Elements up to which constants are compared with each other."""


def tidy(model: ir.Model) -> list[Note]:
    """Clean a graph in place."""
    before = len(model.graph)
    remove_dead(model.graph)
    merged = _merge_reshapes(model.graph)
    merge_constants(model, LARGEST_MERGED)
    common.CommonSubexpressionEliminationPass()(model)
    _remove_identities(model.graph)
    remove_dead(model.graph)
    after = len(model.graph)
    return [Note(NAME, "applied", "graph", f"{before} to {after} nodes, {counted(merged, 'reshape')} merged")]


def _merge_reshapes(graph: ir.Graph) -> int:
    """Let a Reshape of a Reshape read the first one's input; drop those that change nothing."""
    merged = 0
    for node in graph:
        if node.op_type != "Reshape" or node.inputs[0] is None or not is_static(node.outputs[0]):
            continue
        source = node.inputs[0].producer()
        if source is not None and source.op_type == "Reshape" and is_static(source.outputs[0]):
            origin = source.inputs[0]
            target = node.inputs[1]
            if (
                origin is None
                or target is None
                or target.const_value is None
                or (target.const_value.numpy() == 0).any()
            ):
                continue
            node.replace_input_with(0, origin)
            merged += 1
        first = node.inputs[0]
        same = is_static(first) and dims(first) == dims(node.outputs[0])
        if same and not node.outputs[0].is_graph_output():
            ir.convenience.replace_all_uses_with(node.outputs[0], first)
            merged += 1
    return merged


def _remove_identities(graph: ir.Graph) -> None:
    """Remove Identity nodes; one stays where an output of the graph would lose its name or its own place."""
    for node in graph:
        if node.op_type != "Identity" or node.domain not in STANDARD or node.inputs[0] is None:
            continue
        source, output = node.inputs[0], node.outputs[0]
        if not output.is_graph_output():
            ir.convenience.replace_all_uses_with(output, source)
        elif source.producer() is not None and source.graph is graph and not source.is_graph_output():
            ir.convenience.replace_all_uses_with(output, source, replace_graph_outputs=True)
            output.name, source.name = f"{output.name}_before", output.name
        else:
            continue
        graph.remove(node, safe=True)
