"""Measured times of the forms, ratios first; the JSON is the benchmark's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from specialize.cli.output import stack
from specialize.cli.render_costs import FORMS
from specialize.cli.tables import table
from specialize.text.terminal import command
from specialize.text.units import size

PARTS = {"rows": "work on rows", "site": "site with projections", "model": "whole model"}
_SHOWN_SHARES = 5


def bench_text(data: dict[str, Any], place: str) -> RenderableType:
    """Return what `specialize bench` shows."""
    one = next(iter(data["parts"].values()))
    threads = f"{one['threads']} thread{'s' if one['threads'] != 1 else ''}"
    turns = "forms in turn" if one["together"] else "forms in turn, each opened anew for its turn"
    how = f"{one['runtime']}, {threads}, {one['rounds']} rounds, {turns}"
    return stack(
        f"{data['model']} for {data['vehicle']}, attention site {data['site']}\n{how}",
        _headline(data),
        _times(data),
        _memory(data),
        *([_limits(data)] if any(_shares(data, form) for form in data["rows"]) else []),
        f"next: specialize report {command(Path(place))} --bench",
    )


def _headline(data: dict[str, Any]) -> str:
    first, last = next(iter(data["rows"])), list(data["rows"])[-1]
    rows = data["rows"]
    faster = [f"{PARTS[part].lower()} {data['ratios'][part][last]:.2f}x faster" for part in data["parts"]]
    return f"{rows[first] / rows[last]:.2f}x fewer rows at the site; {', '.join(faster)}"


def _times(data: dict[str, Any]) -> Table:
    """Return medians with quartiles, and the ratios that were taken round by round."""
    forms = list(data["rows"])
    body = table("time of one run, ms", *(FORMS.get(form, form) for form in forms), "faster", "quartiles")
    body.add_row("rows of the site", *(f"{data['rows'][form]:,}" for form in forms), "", "")
    for part, report in data["parts"].items():
        cells = []
        for form in forms:
            spread = report["forms"][form]["seconds"]
            cells.append(f"{_ms(spread['median'])} ({_ms(spread['low'])}-{_ms(spread['high'])})")
        ratio = report["ratios"][forms[-1]]
        quartiles = f"{ratio['low']:.2f}-{ratio['high']:.2f}x"
        body.add_row(PARTS[part], *cells, f"{ratio['median']:.2f}x", quartiles)
    return body


def _memory(data: dict[str, Any]) -> Table:
    """Return the peak memory of each form's process, the idle runtime taken off."""
    forms = list(data["rows"])
    body = table("peak memory", *(FORMS.get(form, form) for form in forms), "less")
    for part, report in data["parts"].items():
        used = [report["forms"][form]["peak_bytes"] - report["forms"][form]["idle_bytes"] for form in forms]
        ratio = report["memory_ratios"][forms[-1]]
        body.add_row(PARTS[part], *(size(number) for number in used), f"{ratio:.2f}x")
    return body


def _limits(data: dict[str, Any]) -> str:
    """Return where each form of the site spends its time."""
    lines = []
    for form in data["rows"]:
        shown = list(_shares(data, form).items())[:_SHOWN_SHARES]
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shown)
        lines.append(f"  {FORMS.get(form, form):<12} {parts}")
    return "\n".join(["what limits the site, share of the time in operators:", *lines])


def _shares(data: dict[str, Any], form: str) -> dict[str, float]:
    part = data["parts"].get("site") or next(iter(data["parts"].values()))
    shares: dict[str, float] = part["forms"][form]["shares"]
    return shares


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}" if seconds < 1 else f"{1e3 * seconds:,.0f}"
