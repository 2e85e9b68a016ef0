"""Measured times and memory of the forms, as the command line and reports show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from specialize.report.costs import FORMS, compared
from specialize.text.document import Column, Table, table
from specialize.text.units import count, counted, milliseconds, percent, saved, size, times

if TYPE_CHECKING:
    from specialize.artifact.measured import Measured, MeasuredPart
    from specialize.bench.report import BuildBench, TimedForm
    from specialize.evidence.spread import Spread
    from specialize.text.document import Cell

PARTS = {
    "rows": "work on rows",
    "site": "site with projections",
    "sites": "sites with projections",
    "model": "whole model",
}
_SHOWN_SHARES = 5


def how(bench: BuildBench) -> str:
    """Return on what the forms were timed, and how."""
    one = next(iter(bench.parts.values()))
    turns = "forms in turn" if one.together else "forms in turn, each opened anew for its turn"
    return f"{one.runtime}, {counted(one.threads, 'thread')}, {counted(one.rounds, 'round')}, {turns}"


def times_table(bench: BuildBench) -> Table:
    """Return medians with quartiles, and the ratios that were taken round by round."""
    rows = [
        compared("rows of the site", [count(n) for n in bench.rows.values()], [*bench.rows.values()], "", "")
    ]
    for part, report in bench.parts.items():
        spreads = [report.forms[form].seconds for form in bench.rows]
        ratio = report.ratios[list(bench.rows)[-1]]
        quartiles = f"{ratio.low:.2f}-{times(ratio.high)}"
        texts, medians = [_spread(one) for one in spreads], [one.median for one in spreads]
        rows.append(compared(PARTS[part], texts, medians, times(ratio.median), quartiles))
    return table("time of one run, ms", *_heads(bench.rows), "faster", "quartiles", rows=rows, look="forms")


def memory_table(bench: BuildBench) -> Table:
    """Return the peak memory of each form's process, the idle runtime taken off."""
    rows = []
    for part, report in bench.parts.items():
        forms = [report.forms[form] for form in bench.rows]
        used = [form.peak_bytes - form.idle_bytes for form in forms]
        ratio = times(report.memory_ratios[list(bench.rows)[-1]])
        rows.append(compared(PARTS[part], [size(each) for each in used], used, ratio))
    return table("peak memory", *_heads(bench.rows), "less", rows=rows, look="forms")


def operator_shares(bench: BuildBench) -> dict[str, str]:
    """Return the operators that take most of the time of each form, at the site with its projections."""
    forms = (bench.parts.get("site") or next(iter(bench.parts.values()))).forms
    return {FORMS.get(name, name): _shares(forms[name]) for name in bench.rows if forms[name].shares}


def measured_parts(measured: Measured | None) -> list[str | Table]:
    """Return time and memory of both forms, measured once, with the method; empty if there are no figures."""
    if measured is None:
        return []
    lines = [f"not measured: {line}" for line in measured.not_measured]
    if not measured.parts:
        return ["\n".join(lines)]
    rows = [row for part in measured.parts for row in _rows(part)]
    heads = _heads(("original", "specialized"))
    repeat = "; `specialize bench` repeats it" if measured.parts[0].part == "sites" else ""
    notes = [f"{measured.how()}{repeat}", *measured.contradictions, *lines]
    return [table("measured here, once", *heads, "saved", rows=rows, look="forms"), "\n".join(notes)]


def _rows(part: MeasuredPart) -> list[tuple[str | Cell, ...]]:
    forms = (part.original, part.specialized)
    spent, used = [form.cpu_seconds for form in forms], [form.peak_bytes for form in forms]
    faster = saved(part.ratio, 1.0) if part.ratio >= 1 else saved(1.0, 1 / part.ratio)
    return [
        compared(f"{PARTS[part.part]}, CPU ms", [milliseconds(each) for each in spent], spent, faster),
        compared("  peak memory", [size(each) for each in used], used, saved(*used)),
    ]


def _heads(forms: Mapping[str, int] | tuple[str, ...]) -> list[Column]:
    return [Column(FORMS.get(form, form), "bars") for form in forms]


def _spread(one: Spread) -> str:
    return f"{milliseconds(one.median)} ({milliseconds(one.low)}-{milliseconds(one.high)})"


def _shares(form: TimedForm) -> str:
    shown = list(form.shares.items())[:_SHOWN_SHARES]
    return ", ".join(f"{name} {percent(share, 0)}" for name, share in shown)
