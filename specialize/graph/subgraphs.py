"""Graphs inside nodes, as those of If and Loop: what they read, taking one, and removing one with all it reads."""

from __future__ import annotations

import onnx_ir as ir


def subgraphs(node: ir.Node) -> list[ir.Graph]:
    """Return the graphs that are attributes of a node."""
    found: list[ir.Graph] = []
    if not node.attributes:
        return found
    for attr in node.attributes.values():
        if attr.type == ir.AttributeType.GRAPH:
            found.append(attr.as_graph())
        elif attr.type == ir.AttributeType.GRAPHS:
            found.extend(attr.as_graphs())
    return found


def has_subgraph(node: ir.Node) -> bool:
    """Return whether an attribute of a node is a graph, as those of If and Loop are."""
    return bool(subgraphs(node))


def node_reads(node: ir.Node) -> list[ir.Value]:
    """Return every value that a node reads, those its subgraphs capture included."""
    found = {value: None for value in node.inputs if value is not None}
    for graph in subgraphs(node):
        for inner in graph.all_nodes():
            found.update({v: None for v in inner.inputs if v is not None and v.graph is not graph})
        found.update({v: None for v in graph.outputs if v.graph is not graph})
    return list(found)


def inline_branch(graph: ir.Graph, node: ir.Node, condition: bool) -> None:
    """Replace an `If` whose condition is known by the nodes of the branch it takes."""
    branch = node.attributes["then_branch" if condition else "else_branch"].as_graph()
    prefix = node.name or node.outputs[0].name or "if"
    for value in list(branch.initializers.values()):
        assert value.name is not None
        del branch.initializers[value.name]
        value.name = fresh_name(graph, f"{prefix}/{value.name}")
        graph.register_initializer(value)
    outputs = list(branch.outputs)
    moved = list(branch)
    branch.outputs.clear()
    branch.remove(moved)
    for inner in moved:  # another branch may use the same names
        inner.name = f"{prefix}/{inner.name}" if inner.name else inner.name
        for value in inner.outputs:
            value.name = f"{prefix}/{value.name}" if value.name else value.name
    for index, old in enumerate(node.outputs):
        if old.is_graph_output():
            moved.append(_keep_name(old, outputs[index]))
            outputs[index] = moved[-1].outputs[0]
    graph.insert_after(node, moved)
    ir.convenience.replace_all_uses_with(list(node.outputs), outputs, replace_graph_outputs=True)
    remove_node(graph, node)


def _keep_name(output: ir.Value, source: ir.Value) -> ir.Node:
    """Return an Identity of a value that takes over the name of an output of the graph."""
    node = ir.node("Identity", [source], name=f"{output.name}/keep")
    kept = node.outputs[0]
    kept.type, kept.shape = output.type, output.shape
    output.name, kept.name = f"{output.name}/before", output.name
    return node


def fresh_name(graph: ir.Graph, name: str) -> str:
    """Return a name that no initializer of a graph has: this one, or one like it."""
    while name in graph.initializers:
        name += "_"
    return name


def remove_dead(graph: ir.Graph) -> None:
    """Remove nodes with unused outputs, and unused initializers; inputs and outputs stay."""
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            remove_node(graph, node)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
            del graph.initializers[name]


def remove_node(graph: ir.Graph, node: ir.Node) -> None:
    """Remove a node whose outputs are unused; what its subgraphs captured counts as used by them no more.

    Removing an `If` or a `Loop` alone would leave the nodes of its branches as users of outer values, and keep alive
    whatever computes those.
    """
    for inner_graph in subgraphs(node):
        for inner in list(inner_graph):
            _release(inner)
        inner_graph.outputs.clear()
    graph.remove(node, safe=True)


def _release(node: ir.Node) -> None:
    """Let a node of a graph that is thrown away read nothing."""
    for index in range(len(node.inputs)):
        node.replace_input_with(index, None)
    for graph in subgraphs(node):
        for inner in list(graph):
            _release(inner)
        graph.outputs.clear()
