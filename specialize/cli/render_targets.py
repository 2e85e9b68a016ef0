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
from specialize.targets.base import RUNS_ANYWHERE, VERDICTS, Profile, Rule
from specialize.targets.conformance import Conformance

SCHEMA = "specialize/targets@1"
TARGET_SCHEMA = "specialize/target@1"
CONFORMANCE_SCHEMA = "specialize/conformance@1"


def targets_json(profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return what `specialize targets --json` prints."""
    return {"schema": SCHEMA, "targets": [_profile(profile) for profile in profiles]}


def targets_text(profiles: Sequence[Profile]) -> RenderableType:
    """Return what `specialize targets` shows."""
    body = _left(table("target", "toolchain", "opset", "attention as", "evidence"))
    for profile in profiles:
        first = profile.evidence[0]
        body.add_row(
            profile.name, profile.title, str(profile.opset), profile.form, f"{first.kind}: {first.text}"
        )
    return stack(body, "next: specialize targets NAME, or specialize build --calib PROFILE --target NAME")


def target_json(profile: Profile) -> dict[str, Any]:
    """Return what `specialize targets NAME --json` prints."""
    rules = {name: _rule(rule, profile) for name, rule in sorted(profile.operators.items())}
    return {
        "schema": TARGET_SCHEMA,
        **_profile(profile),
        "operators": rules,
        "unlisted": _rule(profile.unlisted, profile),
    }


def target_text(profile: Profile) -> RenderableType:
    """Return what `specialize targets NAME` shows."""
    oldest, newest = profile.opsets
    forms = (profile.form, *profile.forms)
    standard = [form for form in RUNS_ANYWHERE if form not in forms]
    facts = [
        f"{profile.name}: {profile.title}",
        f"reads opset {oldest} to {newest}, written in {profile.opset}",
        f"deformable attention: {', '.join(forms)}; in standard operators also {', '.join(standard)}",
        f"files: {', '.join(profile.files)}",
        *(f"{each.kind}: {each.text}" for each in profile.evidence),
        *(f"note: {note}" for note in profile.notes),
    ]
    body = _left(table("operator", "verdict", "why", "source"))
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, rule in sorted(profile.operators.items()):
        verdict = rule.verdict if not rule.limits else f"{rule.verdict}, within limits"
        groups.setdefault((verdict, rule.text, rule.source or profile.source), []).append(name)
    for (verdict, text, source), names in groups.items():
        body.add_row(", ".join(names), verdict, text, source)
    body.add_row("every other", profile.unlisted.verdict, profile.unlisted.text, profile.source)
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


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "title": profile.title,
        "opsets": list(profile.opsets),
        "opset": profile.opset,
        "highest_rank": profile.highest_rank or None,
        "forms": [profile.form, *profile.forms],
        "files": list(profile.files),
        "static": profile.static,
        "evidence": [asdict(each) for each in profile.evidence],
        "notes": list(profile.notes),
    }


def _rule(rule: Rule, profile: Profile) -> dict[str, Any]:
    limits = [f"{type(limit).__name__}{_arguments(limit)}" for limit in rule.limits]
    return {
        "verdict": rule.verdict, "text": rule.text, "limits": limits,
        "otherwise": rule.otherwise if limits else rule.verdict, "source": rule.source or profile.source,
    }  # fmt: skip


def _arguments(limit: object) -> str:
    values = asdict(limit)  # type: ignore[call-overload]
    return f"({', '.join(f'{name}={value}' for name, value in values.items())})"


def _left(body: Table) -> Table:
    for column in body.columns:
        column.justify, column.no_wrap, column.vertical = "left", False, "top"
    return body
