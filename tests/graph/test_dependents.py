"""Marks are carried forward through a graph by the rule for one node."""

from __future__ import annotations

import onnx_ir as ir

from specialize.graph.dependents import dependents, reads_any
from tests.graphs import GraphMaker


def graph() -> tuple[ir.Graph, dict[str, ir.Value]]:
    """Return a graph of two inputs that meet in a sum, and its values by what computes them."""
    g = GraphMaker()
    left = g.op("Abs", g.input("left", (2,)))
    right = g.op("Neg", g.op("Exp", g.input("right", (2,))))
    model = ir.serde.deserialize_model(g.model(out=g.op("Add", left, right)))
    values = {str(value.name): value for value in model.graph.inputs}
    return model.graph, values | {node.op_type: node.outputs[0] for node in model.graph}


def test_what_depends_on_a_value_is_marked() -> None:
    """Everything behind it in the order of the graph, itself included, and nothing beside it."""
    nodes, values = graph()
    marked = list(dependents(nodes, [values["right"]]))
    assert marked[:4] == [values[name] for name in ("right", "Exp", "Neg", "Add")]
    assert values["Abs"] not in marked


def test_a_rule_stops_a_mark() -> None:
    """What a node does not hand on does not reach the nodes behind it."""
    nodes, values = graph()
    marked = dependents(
        nodes, [values["right"]], lambda node, seen: node.op_type != "Neg" and reads_any(node, seen)
    )
    assert list(marked) == [values["right"], values["Exp"]]
