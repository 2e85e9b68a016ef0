"""Toolchains and what they do with a graph, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from specialize.targets.base import RUNS_ANYWHERE, VERDICTS, Rule, Toolchain
from specialize.targets.conformance import Conformance
from specialize.text.document import Document, table, words

SCHEMA = "specialize/targets@1"
TARGET_SCHEMA = "specialize/target@1"
CONFORMANCE_SCHEMA = "specialize/conformance@1"


def targets_json(toolchains: Sequence[Toolchain]) -> dict[str, Any]:
    """Return what `specialize targets --json` prints."""
    return {"schema": SCHEMA, "targets": [_toolchain(toolchain) for toolchain in toolchains]}


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


def target_json(toolchain: Toolchain) -> dict[str, Any]:
    """Return what `specialize targets NAME --json` prints."""
    rules = {name: _rule(rule, toolchain) for name, rule in sorted(toolchain.operators.items())}
    return {
        "schema": TARGET_SCHEMA,
        **_toolchain(toolchain),
        "operators": rules,
        "unlisted": _rule(toolchain.unlisted, toolchain),
    }


def target_text(toolchain: Toolchain) -> Document:
    """Return what `specialize targets NAME` shows."""
    oldest, newest = toolchain.opsets
    forms = (toolchain.form, *toolchain.forms)
    standard = [form for form in RUNS_ANYWHERE if form not in forms]
    facts = [
        f"{toolchain.name}: {toolchain.title}",
        f"reads opset {oldest} to {newest}, written in {toolchain.opset}",
        f"deformable attention: {', '.join(forms)}; in standard operators also {', '.join(standard)}",
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


def conformance_json(report: Conformance) -> dict[str, Any]:
    """Return what `specialize inspect MODEL.onnx --target NAME --json` prints."""
    findings = [asdict(finding) for finding in report.findings]
    return {"schema": CONFORMANCE_SCHEMA, "target": report.target, "counts": report.counts, "nodes": findings}


def conformance_text(report: Conformance) -> Document:
    """Return what `specialize inspect MODEL.onnx --target NAME` shows: what is not simply taken, by rule."""
    counts = report.counts
    line = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    rows = []
    for verdict in ("refused", "unknown", "cpu"):
        found = [finding for finding in report.findings if finding.verdict == verdict]
        kinds = Counter((finding.operator, finding.source) for finding in found)
        for (operator, source), count in kinds.most_common():
            first = next(each for each in found if (each.operator, each.source) == (operator, source))
            why = f"{first.rule}; {first.help}" if first.help else first.rule
            rows.append((verdict, operator, str(count), first.node, why, source))
    body = table(*words("verdict", "operator", "nodes", "first at", "why", "source"), rows=rows)
    return (f"{report.target}: {line}", *([body] if rows else []))


def _toolchain(toolchain: Toolchain) -> dict[str, Any]:
    return {
        "name": toolchain.name,
        "title": toolchain.title,
        "opsets": list(toolchain.opsets),
        "opset": toolchain.opset,
        "highest_rank": toolchain.highest_rank or None,
        "forms": [toolchain.form, *toolchain.forms],
        "files": list(toolchain.files),
        "static": toolchain.static,
        "evidence": [asdict(each) for each in toolchain.evidence],
        "notes": list(toolchain.notes),
    }


def _rule(rule: Rule, toolchain: Toolchain) -> dict[str, Any]:
    limits = [f"{type(limit).__name__}{_arguments(limit)}" for limit in rule.limits]
    return {
        "verdict": rule.verdict, "text": rule.text, "limits": limits,
        "otherwise": rule.otherwise if limits else rule.verdict, "source": rule.source or toolchain.source,
    }  # fmt: skip


def _arguments(limit: object) -> str:
    values = asdict(limit)  # type: ignore[call-overload]
    return f"({', '.join(f'{name}={value}' for name, value in values.items())})"
