"""The cost tables of a report: forms side by side, ratios, and what must be said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from specialize.bench.report import BenchReport, Spread
from specialize.report.numbers import count, operations, percent, plural, scaled, size, times, width
from specialize.report.page import Bar, CostRow, Costs, Pair

FORMS = {"zero_padded": "zero-padded", "rebatched": "re-batched", "specialized": "specialized"}
_SMALL_SHARE = 0.2
_QUANTITIES: tuple[tuple[str, str, Callable[[int], str]], ...] = (
    ("pairs, all sites", "pairs", count),
    ("operations on rows", "per_row_flops", operations),
    ("attention operations, projections included", "attention_flops", operations),
    ("attention samples", "attention_samples", lambda value: scaled(value, "")),
    ("attention bytes", "attention_bytes", size),
    ("whole-model operations", "model_flops", operations),
    ("whole-model bytes", "model_bytes", size),
    ("peak memory", "peak_bytes", size),
)
_SHOWN_SHARES = 6


def cost_table(flops: Mapping[str, Any]) -> Costs:
    """Return the comparison of the forms from the JSON of `specialize flops`, but for what a form lacks."""
    forms = {name: flops["forms"][name] for name in FORMS if name in flops.get("forms", {})}
    rows = []
    for label, key, text in _QUANTITIES:
        values = [form[key] for form in forms.values() if key in form]
        if values and len(values) == len(forms):
            rows.append(_row(label, values, [text(value) for value in values]))
    return Costs(tuple(FORMS[name] for name in forms), tuple(rows), _remarks(flops, forms))


def time_table(bench: BenchReport) -> Costs:
    """Return the measured times and memory of the forms."""
    names = tuple(FORMS.get(name, name) for name in bench.forms)
    medians = [form.spread().median for form in bench.forms.values()]
    spread = [_milliseconds(form.spread()) for form in bench.forms.values()]
    peaks = [float(form.peak_bytes) for form in bench.forms.values()]
    rows = (
        _row("time of one run, median (quartiles)", medians, spread),
        _row("peak memory of the process", peaks, [size(peak) for peak in peaks]),
    )
    how = (
        f"{bench.runtime}, {plural(bench.threads, 'thread')}, {plural(bench.rounds, 'round')}, forms in turn"
    )
    return Costs(names, rows, (how,))


def share_rows(bench: BenchReport) -> tuple[Pair, ...]:
    """Return the operators that take most of the last form's time."""
    last = list(bench.forms.values())[-1]
    return tuple(Pair(name, percent(share)) for name, share in list(last.shares.items())[:_SHOWN_SHARES])


def _milliseconds(spread: Spread) -> str:
    low, median, high = (1e3 * seconds for seconds in (spread.low, spread.median, spread.high))
    return f"{median:.1f} ms ({low:.1f} to {high:.1f})"


def _row(label: str, values: list[Any], texts: list[str]) -> CostRow:
    most = max(values, default=0) or 1
    bars = tuple(Bar(text, width(value / most)) for value, text in zip(values, texts, strict=True))
    return CostRow(label, bars, times(values[0] / values[-1]) if values and values[-1] else "")


def _remarks(flops: Mapping[str, Any], forms: Mapping[str, Any]) -> tuple[str, ...]:
    remarks = []
    share = flops.get("attention_share", {}).get("zero_padded", 1.0)
    if share < _SMALL_SHARE:
        remarks.append(
            f"Cross-attention is {percent(share)} of the zero-padded model's operations, "
            "so the whole model saves little in operations, whatever the attention saves."
        )
    for entry in flops.get("uncounted", []):
        remarks.append(f"Not counted: {entry['op']}, {plural(entry['nodes'], 'node')} ({entry['reason']}).")
    if forms and not flops.get("uncounted"):
        remarks.append("Every operator of every form is counted.")
    return tuple(remarks)
