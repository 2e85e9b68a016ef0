"""The loop over rewrites applies or discards a rule's result, notes each reason once, and checks before and after."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.errors import InternalError
from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.declined import Declined
from specialize.graph.rewrite import Outcome, Rewritten, Rule, apply, opset
from tests.graphs import GraphMaker, assert_same, operators, random_feeds


def graph() -> ir.Model:
    """Return Neg(Neg(Abs(x))) of a matrix, and Relu of another."""
    g = GraphMaker()
    x = g.op("Abs", g.input("x", (2, 3)))
    model = g.model(out=g.op("Neg", g.op("Neg", x)), other=g.op("Relu", g.input("y", (4,))))
    return ir.from_proto(model)


def subtracted(node: ir.Node, builder: Builder) -> Outcome:
    """Write Neg(x) as 0 - x, in another shape."""
    (source,) = node.inputs
    assert source is not None
    flat = builder.reshape(source, (6,))
    return Rewritten(
        ["Neg as Sub"], [builder.node("Sub", [builder.constant(np.zeros(6, np.float32)), flat], (6,))]
    )


def refused(node: ir.Node, builder: Builder) -> Outcome:
    """Make something, and decline it."""
    builder.node("Abs", node.inputs, (2, 3))
    return Declined("not-here", "it stands here")


def test_what_is_made_takes_the_place_of_the_node() -> None:
    """In the shape of its output, marked with the pass, what is unused gone; the graph computes the same."""
    g = GraphMaker()
    proto = g.model(out=g.op("Neg", g.op("Abs", g.input("x", (2, 3)))))
    model = ir.from_proto(proto)
    rule = Rule(name="subtract", operators={"Neg"}, rewrite=subtracted)
    (note,) = apply(model, rule)
    assert (note.verdict, note.reason) == ("applied", "Neg as Sub")
    assert operators(model) == {"Abs": 1, "Sub": 1, "Reshape": 2, "Identity": 1}
    assert {node.metadata_props.get(PASS_KEY) for node in model.graph} == {None, "subtract"}
    assert_same(proto, model, random_feeds(proto))


def test_a_rule_that_counts_writes_one_note() -> None:
    """Instead of one for every node."""
    counted = Rule(
        name="count", operators={"Neg", "Relu"}, rewrite=lambda *_: Rewritten(["seen"]), counted=True
    )
    (note,) = apply(graph(), counted)
    assert (note.where, note.reason) == ("graph", "3 seen")


def test_what_is_declined_is_taken_back_with_its_reason() -> None:
    """Nothing is left of what was made; the note has the operator, the text and the code."""
    model = graph()
    before = operators(model)
    notes = apply(model, Rule(name="refuse", operators={"Relu"}, rewrite=refused, title="{operator}"))
    assert [(note.verdict, note.reason, note.codes) for note in notes] == [
        ("declined", "Relu: it stands here", ("not-here",))
    ]
    assert operators(model) == before


def test_a_rule_is_asked_about_its_operators_alone() -> None:
    """Other operators and other domains do not reach it."""
    seen: list[str] = []
    rule = Rule(name="see", operators={"Relu", "Abs"}, rewrite=lambda node, _: seen.append(node.op_type))
    elsewhere = Rule(name="see", domains={"vendor"}, rewrite=lambda node, _: seen.append(node.op_type))
    assert apply(graph(), rule, elsewhere) == []
    assert seen == ["Abs", "Relu"]


def test_a_rule_that_lacks_what_it_needs_does_not_run() -> None:
    """The graph is refused before anything is changed."""
    model = graph()
    with pytest.raises(InternalError, match="opset 17, older than 18"):
        apply(model, Rule(name="late", rewrite=refused, needs=opset(18)))


@pytest.mark.parametrize("rewrite", [lambda *_: None, subtracted], ids=["skipped", "rewritten"])
def test_what_a_rule_may_not_leave_is_noticed(rewrite: object) -> None:
    """A node that is still there and was not declined is an error; a rule that rewrites all leaves none."""
    rule = Rule(name="all", operators={"Neg"}, rewrite=rewrite, leaves=lambda node: node.op_type == "Neg")  # type: ignore[arg-type]
    if rewrite is subtracted:
        assert len(apply(graph(), rule)) == 2
    else:
        with pytest.raises(InternalError, match="a node that the rule rewrites"):
            apply(graph(), rule)


def test_what_a_rule_declined_may_be_left() -> None:
    """A declined note states the reason."""
    rule = Rule(name="all", operators={"Neg"}, rewrite=refused, leaves=lambda node: node.op_type == "Neg")
    assert [note.verdict for note in apply(graph(), rule)] == ["declined", "declined"]
