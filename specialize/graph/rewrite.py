"""One loop over rewrites of single nodes: what a rule makes takes a node's place, or is taken back with a reason.

A rule names its operators and rewrites one node. The loop makes the builder, replaces what
is replaced, removes what is unused then, and writes the notes. What a rule needs of the graph is checked before it
runs, and what it may not leave behind after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from specialize.errors import InternalError
from specialize.graph.builder import PASS_KEY, Builder, kept_marks
from specialize.graph.declined import Declined
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.graph.subgraphs import node_reads, remove_node


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """What became of a node.

    Attributes:
        told: What was done, in one note of the node each; or, of a rule that counts, what is counted.
        values: New values for its first outputs, reshaped to their shapes where they have others; none if the node
            itself was changed. Further outputs are unused.
    """

    told: Sequence[str] = ()
    values: Sequence[ir.Value] = ()


Outcome = Rewritten | Declined | None
"""None: the rule has nothing to do with the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rewrite of single nodes.

    Attributes:
        name: The pass, in notes and in the metadata of the nodes that are made.
        rewrite: Returns what becomes of a node; `builder` makes nodes in front of it.
        operators: Operators that the rule is asked about; all if empty.
        domains: Their domains.
        counted: Whether one note for the whole graph counts what was done, instead of one for every node.
        title: First part of a reason for declining, in which `{operator}` is the node's.
        needs: Returns why the rule cannot run on a graph; empty if it can.
        leaves: Whether a node must not be left by the rule, unless it declined it.
        keeps: Metadata that what is made takes over from the node.
    """

    name: str
    rewrite: Callable[[ir.Node, Builder], Outcome]
    operators: Collection[str] = ()
    domains: Collection[str] = STANDARD
    counted: bool = False
    title: str = ""
    needs: Callable[[ir.Model], str] = lambda model: ""
    leaves: Callable[[ir.Node], bool] = lambda node: False
    keeps: Collection[str] = ()


def opset(least: int) -> Callable[[ir.Model], str]:
    """Return the need of a rule that writes operators as they are from an opset on."""

    def missing(model: ir.Model) -> str:
        have = model.graph.opset_imports.get("", least)
        return f"opset {have}, older than {least}" if have < least else ""

    return missing


def apply(model: ir.Model, *rules: Rule) -> list[Note]:
    """Apply rules to every node of a graph, in place, one rule after the other; return what they did or declined.

    Raises:
        InternalError: A rule ran on a graph that lacks what it needs, or left behind what it may not.
    """
    return [note for rule in rules for note in _apply(model, rule)]


def _apply(model: ir.Model, rule: Rule) -> list[Note]:
    missing = rule.needs(model)
    if missing:
        raise InternalError(rule.name, "a graph that the rule may run on", missing)
    notes: list[Note] = []
    refused: set[ir.Node] = set()
    counts: Counter[str] = Counter()
    for node in list(model.graph):
        if node.domain not in rule.domains or (rule.operators and node.op_type not in rule.operators):
            continue
        marks = {PASS_KEY: rule.name} | kept_marks(node, rule.keeps)
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", marks)
        made = rule.rewrite(node, builder)
        if not isinstance(made, Rewritten):
            builder.undo()
        if isinstance(made, Declined):
            refused.add(node)
            notes.append(declined(rule.name, node, made.under(rule.title.format(operator=node.op_type))))
        elif made is not None:
            counts.update(made.told)
            if not rule.counted:
                notes += [Note(rule.name, "applied", node_name(node), told) for told in made.told]
            _put_in_place(node, builder, made.values)
    left = next((node for node in model.graph if node not in refused and rule.leaves(node)), None)
    if left is not None:
        raise InternalError(f"{rule.name}: {node_name(left)}", "a node that the rule rewrites", left.op_type)
    if rule.counted and counts:
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        notes.append(Note(rule.name, "applied", "graph", told))
    return notes


def _put_in_place(node: ir.Node, builder: Builder, values: Sequence[ir.Value]) -> None:
    if values:
        for old, new in zip(node.outputs[: len(values)], values, strict=True):
            replace(builder.graph, old, builder.reshape(new, dims(old)) if is_static(old) else new)
        remove_unused(builder.graph, node)


def replace(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    """Let everything that reads one value read another; an output of the graph keeps its name."""
    was_output = old.is_graph_output()
    if was_output and (new.is_graph_output() or new.is_graph_input() or new.producer() is None):
        node = ir.node("Identity", [new])
        graph.append(node)
        node.outputs[0].type, node.outputs[0].shape = new.type, new.shape
        new = node.outputs[0]
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    if was_output:
        old.name, new.name = f"{old.name}_before", old.name


def remove_unused(graph: ir.Graph, node: ir.Node) -> list[str]:
    """Remove an unused node, and what only it needed; return the names of the removed nodes."""
    removed = []
    stack: list[ir.Node | None] = [node]
    while stack:
        current = stack.pop()
        if current is None or current.graph is None:
            continue
        if any(value.uses() or value.is_graph_output() for value in current.outputs):
            continue
        reads = node_reads(current)
        removed.append(node_name(current))
        remove_node(graph, current)
        stack.extend(value.producer() for value in reads)
    return removed
