"""Toolchains and what they do with a graph, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from specialize.targets.base import RUNS_ANYWHERE, VERDICTS, Toolchain
from specialize.targets.conformance import Conformance
from specialize.targets.measured import why_form
from specialize.text.document import Document, table, words


def targets_text(toolchains: Sequence[Toolchain]) -> Document:
    """Return what `specialize targets` shows."""
    evidence = (f"{toolchain.evidence[0].kind}: {toolchain.evidence[0].text}" for toolchain in toolchains)
    rows = (
        (toolchain.name, toolchain.title, str(toolchain.opset), toolchain.form, first)
        for toolchain, first in zip(toolchains, evidence, strict=True)
    )
    return (
        table(*words("target", "toolchain", "opset", "attention as", "evidence"), rows=rows),
        "next: specialize targets NAME, or specialize build --calib PROFILE --target NAME",
    )


def target_text(toolchain: Toolchain) -> Document:
    """Return what `specialize targets NAME` shows."""
    oldest, newest = toolchain.opsets
    forms = (toolchain.form, *toolchain.forms)
    standard = [form for form in RUNS_ANYWHERE if form not in forms]
    facts = [
        f"{toolchain.name}: {toolchain.title}",
        f"reads opset {oldest} to {newest}, written in {toolchain.opset}",
        f"deformable attention: {', '.join(forms)}; in standard operators also {', '.join(standard)}",
        f"attention as {why_form(toolchain)}",
        f"files: {', '.join(toolchain.files)}",
        *(f"{each.kind}: {each.text}" for each in toolchain.evidence),
        *(f"note: {note}" for note in toolchain.notes),
    ]
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, rule in sorted(toolchain.operators.items()):
        verdict = rule.verdict if not rule.limits else f"{rule.verdict}, within limits"
        groups.setdefault((verdict, rule.text, rule.source or toolchain.source), []).append(name)
    rows = [(", ".join(names), *rule) for rule, names in groups.items()]
    rows.append(("every other", toolchain.unlisted.verdict, toolchain.unlisted.text, toolchain.source))
    return ("\n".join(facts), table(*words("operator", "verdict", "why", "source"), rows=rows))


def conformance_text(report: Conformance) -> Document:
    """Return what `specialize inspect MODEL.onnx --target NAME` shows: what is not simply taken, by rule."""
    counts = report.counts
    line = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    rows = []
    for verdict in ("refused", "unknown", "cpu"):
        found = [finding for finding in report.nodes if finding.verdict == verdict]
        kinds = Counter((finding.operator, finding.source) for finding in found)
        for (operator, source), count in kinds.most_common():
            first = next(each for each in found if (each.operator, each.source) == (operator, source))
            why = f"{first.rule}; {first.help}" if first.help else first.rule
            rows.append((verdict, operator, str(count), first.node, why, source))
    body = table(*words("verdict", "operator", "nodes", "first at", "why", "source"), rows=rows)
    return (f"{report.target}: {line}", *([body] if rows else []))
