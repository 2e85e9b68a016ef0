"""Conformance: what a toolchain does with every node of a graph, by which rule, from which source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from specialize.errors import DeclinedError
from specialize.graph import folding
from specialize.graph.io import read_as_written
from specialize.graph.notes import Note, node_name
from specialize.graph.shapes import STANDARD, is_static
from specialize.targets import target
from specialize.targets.base import VERDICTS, Rule, Toolchain, Verdict

RARE_FLOATS = {ir.DataType.DOUBLE: "float64", ir.DataType.BFLOAT16: "bfloat16"}
"""Float types beside the two that toolchains are made for."""

NOTES = "target"
"""Name of the notes that say what a toolchain does with a graph."""

MOST_NAMED = 3
"""Nodes that are named in one sentence; more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinding:
    """What happens to one node.

    Attributes:
        node: Its name, or `graph` for what holds of the whole.
        operator: Its operator, custom ones as `domain::name`.
        verdict: Allowed, falls to the CPU, refused, or unknown.
        rule: Why; empty for a node that is simply taken.
        source: Where that is written, or what ran.
        help: What would help; empty if nothing is known.
    """

    node: str
    operator: str
    verdict: Verdict
    rule: str = ""
    source: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """`specialize inspect MODEL.onnx --target NAME --json`.

    Attributes:
        target: Name of the toolchain.
        counts: Verdict -> number of nodes.
        nodes: Each node with its verdict, and why; what holds of the whole graph comes first.
    """

    target: str
    counts: dict[Verdict, int]
    nodes: tuple[NodeFinding, ...]

    def of(self, verdict: Verdict) -> tuple[NodeFinding, ...]:
        """Return the findings of one verdict."""
        return tuple(finding for finding in self.nodes if finding.verdict == verdict)

    def require_accepted(self) -> None:
        """Refuse a graph that the toolchain refuses.

        Raises:
            DeclinedError: A node is refused; names the node, the rule, its source, and what would help.
        """
        refused = self.of("refused")
        if refused:
            first = refused[0]
            more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
            raise DeclinedError(
                f"--target {self.target}", f"operators that it supports ({first.source})",
                f"{first.operator} at {first.node}: {first.rule}{more}", first.help,
            )  # fmt: skip


def check(model: ir.Model, toolchain: Toolchain, hindrances: Sequence[Note] = ()) -> Conformance:
    """Return what a toolchain does with every node of a graph.

    Args:
        model: The graph.
        toolchain: The toolchain.
        hindrances: Nodes that could not be written in the opset that it reads.
    """
    findings = [
        *_whole(model, toolchain, hindrances),
        *(_judge(node, toolchain) for node in model.graph.all_nodes()),
    ]
    found = Counter(finding.verdict for finding in findings)
    counts = {verdict: found[verdict] for verdict in VERDICTS}
    return Conformance(target=toolchain.name, counts=counts, nodes=tuple(findings))


def check_file(path: Path, name: str) -> Conformance:
    """Return what a toolchain does with the nodes of an ONNX file; nothing is folded or lowered first.

    Raises:
        UsageError: There is no such target.
        InputError: The file is not a model.
    """
    toolchain = target(name).TOOLCHAIN
    model = read_as_written(path)
    folding.evaluate(model)
    return check(model, toolchain)


def require_half(toolchain: Toolchain) -> None:
    """Refuse a toolchain that takes no casts to float16.

    Raises:
        DeclinedError: Its rules refuse them.
    """
    source = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([1]))
    finding = _by_operator(ir.node("Cast", [source], {"to": ir.DataType.FLOAT16.value}), toolchain)
    if finding.verdict == "refused":
        raise DeclinedError(
            "--precision fp16", f"a toolchain that supports casts to float16 ({finding.source})",
            f"--target {toolchain.name}: {finding.rule}",
            "give it the float32 build, and let it choose its own formats",
        )  # fmt: skip


def operator_of(node: ir.Node) -> str:
    """Return the operator of a node, `domain::name` unless it is a standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}::{node.op_type}"


def conformance_notes(report: Conformance, when: str = "") -> list[Note]:
    """Return how many nodes a toolchain takes, and each reason why others fall back to the CPU or are not known."""
    counts = report.counts
    text = f"{counts['allowed']} nodes allowed, {counts['cpu']} fall back to the CPU, {counts['unknown']} unknown"
    notes = [Note(NOTES, "applied", report.target, text + when)]
    heads: tuple[tuple[Verdict, str], ...] = (("cpu", "on the CPU"), ("unknown", "unknown"))
    for verdict, head in heads:
        found = report.of(verdict)
        first = {finding.operator: finding.rule for finding in reversed(found)}
        reasons: dict[str, list[str]] = {}
        for operator, count in Counter(finding.operator for finding in found).most_common():
            reasons.setdefault(first[operator], []).append(f"{count} {operator}")
        notes += [
            Note(NOTES, "applied", report.target, f"{head}: {', '.join(named)}: {rule}")
            for rule, named in reasons.items()
        ]
    return notes


def _whole(model: ir.Model, toolchain: Toolchain, hindrances: Sequence[Note]) -> list[NodeFinding]:
    opset = model.graph.opset_imports.get("", 0)
    oldest, newest = toolchain.opsets
    if opset and not oldest <= opset <= newest:
        rule = f"the model is written in opset {opset}, only {oldest} to {newest} can be read"
        rule += "".join(f"; {note.where}: {note.reason}" for note in hindrances[:MOST_NAMED])
        rule += f"; and {len(hindrances) - MOST_NAMED} more" if len(hindrances) > MOST_NAMED else ""
        help_ = "export these nodes another way, or leave them out of this model" if hindrances else ""
        help_ = (
            help_
            or f"--target {toolchain.name} writes opset {toolchain.opset} at most; or export the model so"
        )
        return [
            NodeFinding(
                node="graph",
                operator="opset",
                verdict="refused",
                rule=rule,
                source=toolchain.source,
                help=help_,
            )
        ]
    return []


def _judge(node: ir.Node, toolchain: Toolchain) -> NodeFinding:
    """Return what the rule for its operator says; what holds of every node refuses it if that does not."""
    own = _by_operator(node, toolchain)
    if own.verdict == "refused":
        return own
    return _by_shape(node, toolchain) or _by_type(node, toolchain) or own


def _by_operator(node: ir.Node, toolchain: Toolchain) -> NodeFinding:
    operator = operator_of(node)
    rule = toolchain.operators.get(operator, toolchain.unlisted)
    for limit in rule.limits:
        fault = limit.fault(node)
        if fault:
            text = f"{fault} ({rule.text})" if rule.text else fault
            return _finding(node, rule.otherwise, rule, text, toolchain)
    return _finding(node, rule.verdict, rule, rule.text, toolchain)


def _by_shape(node: ir.Node, toolchain: Toolchain) -> NodeFinding | None:
    loose = next((str(value.name) for value in node.outputs if value.name and not is_static(value)), "")
    if toolchain.static and loose:
        text = f"the shape of {loose} is not made of numbers"
        help_ = "specialize the model, or fold what its shapes are computed from"
        return _finding(node, "refused", Rule(text=text, help=help_), text, toolchain)
    rank = max((len(value.shape or ()) for value in node.outputs), default=0)
    if toolchain.highest_rank and rank > toolchain.highest_rank:
        text = f"it has rank {rank}, at most {toolchain.highest_rank} is supported"
        help_ = "rank-4 forms of attention are written by --target; other nodes must be reshaped"
        rule = Rule(text=text, source=toolchain.highest_rank_source, help=help_)
        return _finding(node, "refused", rule, text, toolchain)
    return None


def _by_type(node: ir.Node, toolchain: Toolchain) -> NodeFinding | None:
    """Return that a rare float type is unknown; a node in 16 bits is judged by its operator and its casts."""
    rare = next((value.dtype for value in node.outputs if value.dtype in RARE_FLOATS), None)
    if rare is None or RARE_FLOATS[rare] in toolchain.floats:
        return None
    text = f"it computes in {RARE_FLOATS[rare]}, and no source mentions that type"
    return _finding(node, "unknown", Rule(), text, toolchain)


def _finding(node: ir.Node, verdict: Verdict, rule: Rule, text: str, toolchain: Toolchain) -> NodeFinding:
    operator = operator_of(node)
    otherwise = (
        f"write {operator} another way when the model is exported, or ask the vendor; "
        f"`specialize targets {toolchain.name}` lists what is supported"
    )
    return NodeFinding(
        node=node_name(node), operator=operator, verdict=verdict, rule=text,
        source=rule.source or toolchain.source, help=(rule.help or otherwise) if verdict == "refused" else "",
    )  # fmt: skip
