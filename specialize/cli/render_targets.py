"""Toolchains and what they do with a graph, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.targets.base import RUNS_ANYWHERE, VERDICTS, Rule, Toolchain
from specialize.targets.conformance import Conformance

SCHEMA = "specialize/targets@1"
TARGET_SCHEMA = "specialize/target@1"
CONFORMANCE_SCHEMA = "specialize/conformance@1"


def targets_json(toolchains: Sequence[Toolchain]) -> dict[str, Any]:
    """Return what `specialize targets --json` prints."""
    return {"schema": SCHEMA, "targets": [_toolchain(toolchain) for toolchain in toolchains]}


def targets_text(toolchains: Sequence[Toolchain]) -> RenderableType:
    """Return what `specialize targets` shows."""
    body = _left(table("target", "toolchain", "opset", "attention as", "evidence"))
    for toolchain in toolchains:
        first = toolchain.evidence[0]
        body.add_row(
            toolchain.name,
            toolchain.title,
            str(toolchain.opset),
            toolchain.form,
            f"{first.kind}: {first.text}",
        )
    return stack(body, "next: specialize targets NAME, or specialize build --calib PROFILE --target NAME")


def target_json(toolchain: Toolchain) -> dict[str, Any]:
    """Return what `specialize targets NAME --json` prints."""
    rules = {name: _rule(rule, toolchain) for name, rule in sorted(toolchain.operators.items())}
    return {
        "schema": TARGET_SCHEMA,
        **_toolchain(toolchain),
        "operators": rules,
        "unlisted": _rule(toolchain.unlisted, toolchain),
    }


def target_text(toolchain: Toolchain) -> RenderableType:
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
    body = _left(table("operator", "verdict", "why", "source"))
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, rule in sorted(toolchain.operators.items()):
        verdict = rule.verdict if not rule.limits else f"{rule.verdict}, within limits"
        groups.setdefault((verdict, rule.text, rule.source or toolchain.source), []).append(name)
    for (verdict, text, source), names in groups.items():
        body.add_row(", ".join(names), verdict, text, source)
    body.add_row("every other", toolchain.unlisted.verdict, toolchain.unlisted.text, toolchain.source)
    return stack("\n".join(facts), body)


def conformance_json(report: Conformance) -> dict[str, Any]:
    """Return what `specialize inspect MODEL.onnx --target NAME --json` prints."""
    findings = [asdict(finding) for finding in report.findings]
    return {"schema": CONFORMANCE_SCHEMA, "target": report.target, "counts": report.counts, "nodes": findings}


def conformance_text(report: Conformance) -> RenderableType:
    """Return what `specialize inspect MODEL.onnx --target NAME` shows: what is not simply taken, by rule."""
    counts = report.counts
    line = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    body = _left(table("verdict", "operator", "nodes", "first at", "why", "source"))
    for verdict in ("refused", "unknown", "cpu"):
        found = [finding for finding in report.findings if finding.verdict == verdict]
        kinds = Counter((finding.operator, finding.source) for finding in found)
        for (operator, source), count in kinds.most_common():
            first = next(each for each in found if (each.operator, each.source) == (operator, source))
            why = f"{first.rule}; {first.help}" if first.help else first.rule
            body.add_row(verdict, operator, str(count), first.node, why, source)
    return stack(f"{report.target}: {line}", *([body] if body.row_count else []))


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


def _left(body: Table) -> Table:
    for column in body.columns:
        column.justify, column.no_wrap, column.vertical = "left", False, "top"
    return body
