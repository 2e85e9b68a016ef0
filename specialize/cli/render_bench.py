"""Measured times of the forms, ratios first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from specialize.cli.output import stack
from specialize.cli.render_costs import FORMS
from specialize.cli.tables import table
from specialize.text.terminal import command
from specialize.text.units import size

if TYPE_CHECKING:
    from specialize.bench import BuildBench

PARTS = {"rows": "work on rows", "site": "site with projections", "model": "whole model"}
_SHOWN_SHARES = 5


def bench_text(bench: BuildBench, place: str) -> RenderableType:
    """Return what `specialize bench` shows."""
    one = next(iter(bench.parts.values()))
    threads = f"{one.threads} thread{'s' if one.threads != 1 else ''}"
    turns = "forms in turn" if one.together else "forms in turn, each opened anew for its turn"
    how = f"{one.runtime}, {threads}, {one.rounds} rounds, {turns}"
    return stack(
        f"{bench.model} for {bench.vehicle}, attention site {bench.site}\n{how}",
        _headline(bench),
        _times(bench),
        _memory(bench),
        *([_limits(bench)] if any(_shares(bench, form) for form in bench.rows) else []),
        f"next: specialize report {command(Path(place))} --bench",
    )


def _headline(bench: BuildBench) -> str:
    rows = bench.rows
    first, last = next(iter(rows)), list(rows)[-1]
    faster = [f"{PARTS[part].lower()} {bench.ratios[part][last]:.2f}x faster" for part in bench.parts]
    return f"{rows[first] / rows[last]:.2f}x fewer rows at the site; {', '.join(faster)}"


def _times(bench: BuildBench) -> Table:
    """Return medians with quartiles, and the ratios that were taken round by round."""
    forms = list(bench.rows)
    body = table("time of one run, ms", *(FORMS.get(form, form) for form in forms), "faster", "quartiles")
    body.add_row("rows of the site", *(f"{bench.rows[form]:,}" for form in forms), "", "")
    for part, report in bench.parts.items():
        cells = []
        for form in forms:
            spread = report.forms[form].seconds
            cells.append(f"{_ms(spread.median)} ({_ms(spread.low)}-{_ms(spread.high)})")
        ratio = report.ratios[forms[-1]]
        quartiles = f"{ratio.low:.2f}-{ratio.high:.2f}x"
        body.add_row(PARTS[part], *cells, f"{ratio.median:.2f}x", quartiles)
    return body


def _memory(bench: BuildBench) -> Table:
    """Return the peak memory of each form's process, the idle runtime taken off."""
    forms = list(bench.rows)
    body = table("peak memory", *(FORMS.get(form, form) for form in forms), "less")
    for part, report in bench.parts.items():
        used = [report.forms[form].peak_bytes - report.forms[form].idle_bytes for form in forms]
        ratio = report.memory_ratios[forms[-1]]
        body.add_row(PARTS[part], *(size(number) for number in used), f"{ratio:.2f}x")
    return body


def _limits(bench: BuildBench) -> str:
    """Return where each form of the site spends its time."""
    lines = []
    for form in bench.rows:
        shown = list(_shares(bench, form).items())[:_SHOWN_SHARES]
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shown)
        lines.append(f"  {FORMS.get(form, form):<12} {parts}")
    return "\n".join(["what limits the site, share of the time in operators:", *lines])


def _shares(bench: BuildBench, form: str) -> dict[str, float]:
    part = bench.parts.get("site") or next(iter(bench.parts.values()))
    return part.forms[form].shares


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}" if seconds < 1 else f"{1e3 * seconds:,.0f}"
