"""JSON of toolchains: as their profiles say, with rules in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from specialize.targets.base import Evidence, Rule, Toolchain, Verdict
from specialize.targets.measured import MeasuredForms, measured_forms, why_form
from specialize.text.record import Record


class OperatorRule(Record, frozen=True, kw_only=True):
    """What a toolchain does with an operator.

    Attributes:
        verdict: If all limits are kept.
        text: Why; empty for an operator that is simply taken.
        limits: What a node must keep.
        otherwise: Verdict for a node that does not.
        source: Where it is written, or what ran.
    """

    verdict: Verdict
    text: str
    limits: tuple[str, ...]
    otherwise: Verdict
    source: str


class ListedTarget(Record, frozen=True, kw_only=True):
    """A toolchain in a list.

    Attributes:
        name: As in `--target`.
        title: Vendor, product and version.
        opsets: Oldest and newest version of the standard operators that it reads.
        opset: Version that is written for it, at most.
        highest_rank: Of any tensor; null if no limit is known.
        forms: How deformable attention is written for it, the usual form first.
        why_form: What decided the usual form: a measurement, or what the toolchain takes.
        measured: How quick forms were here; null if none was timed.
        files: Names of the files that are written beside the model.
        static: Whether every shape must be a number.
        evidence: How all this is known.
        notes: What a user should know.
    """

    name: str
    title: str
    opsets: tuple[int, int]
    opset: int
    highest_rank: int | None
    forms: tuple[str, ...]
    why_form: str
    measured: MeasuredForms | None
    files: tuple[str, ...]
    static: bool
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]


class Targets(Record, frozen=True, kw_only=True):
    """`specialize targets --json`.

    Attributes:
        targets: Every toolchain.
    """

    targets: tuple[ListedTarget, ...]


class Target(ListedTarget, frozen=True, kw_only=True):
    """`specialize targets NAME --json`.

    Attributes:
        operators: Rules by operator, custom ones as `domain::name`.
        unlisted: Rule for every other operator.
    """

    operators: dict[str, OperatorRule]
    unlisted: OperatorRule


def listed(toolchains: Sequence[Toolchain]) -> Targets:
    """Return what `specialize targets --json` prints."""
    return Targets(targets=tuple(ListedTarget(**_fields(toolchain)) for toolchain in toolchains))


def shown(toolchain: Toolchain) -> Target:
    """Return what `specialize targets NAME --json` prints."""
    return Target(
        operators={name: _rule(rule, toolchain) for name, rule in sorted(toolchain.operators.items())},
        unlisted=_rule(toolchain.unlisted, toolchain),
        **_fields(toolchain),
    )


def _fields(toolchain: Toolchain) -> dict[str, Any]:
    own = {
        "highest_rank": toolchain.highest_rank or None,
        "forms": (toolchain.form, *toolchain.forms),
        "why_form": why_form(toolchain),
        "measured": measured_forms().get(toolchain.name),
    }
    return {
        name: own[name] if name in own else getattr(toolchain, name)
        for name in ListedTarget.__struct_fields__
    }


def _rule(rule: Rule, toolchain: Toolchain) -> OperatorRule:
    limits = tuple(f"{type(limit).__name__}{_arguments(limit)}" for limit in rule.limits)
    return OperatorRule(
        verdict=rule.verdict,
        text=rule.text,
        limits=limits,
        otherwise=rule.otherwise if limits else rule.verdict,
        source=rule.source or toolchain.source,
    )


def _arguments(limit: object) -> str:
    values = asdict(limit)  # type: ignore[call-overload]
    return f"({', '.join(f'{name}={value}' for name, value in values.items())})"
