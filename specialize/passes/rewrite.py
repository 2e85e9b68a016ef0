"""The last step of rewriting one node: what was made takes its place, or is taken back."""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.edit import Builder
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace


def replace_or_undo(
    node: ir.Node, builder: Builder, made: ir.Value | str, pass_name: str, told: str, title: str
) -> Note:
    """Let a new value replace a node's output, or undo what was made of it; return the note of the pass.

    Args:
        node: A node with one output.
        builder: Made the nodes of the new value, before `node`.
        made: The new value, or the reason why there is none.
        pass_name: The pass.
        told: Text of the note if the node is replaced.
        title: First part of the note if it is not; may be empty.
    """
    if isinstance(made, str):
        builder.undo()
        return Note(pass_name, "declined", node_name(node), f"{title}: {made}" if title else made)
    replace(builder.graph, node.outputs[0], made)
    where = node_name(node)
    remove_unused(builder.graph, node)
    return Note(pass_name, "applied", where, told)
