"""The cost tables of a report: forms side by side, ratios, and what must be said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from specialize.artifact.measured import Measured
from specialize.bench.report import BuildBench, Spread
from specialize.evidence.costs import KINDS, FormCost, FormsReport
from specialize.report.numbers import count, operations, percent, plural, saved, scaled, size, times, width
from specialize.report.page import Bar, CostRow, Costs, Pair

FORMS = {"original": "original", "rebatched": "re-batched", "specialized": "specialized"}
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
_ONCE = {"sites": "all sites with projections", "model": "whole model"}
_PARTS = {"rows": "work on rows", "site": "site with projections", "model": "whole model"}


def cost_table(flops: FormsReport) -> Costs:
    """Return the comparison of the forms."""
    forms = {name: flops.forms[name] for name in FORMS if name in flops.forms}
    rows = []
    for label, key, text in _QUANTITIES if forms else ():
        values = [getattr(form, key) for form in forms.values()]
        rows.append(_counted(label, key, forms, values, [text(value) for value in values]))
    rows += _moved(forms)
    written = flops.original
    names = [f"original ({written})" if name == "original" and written else FORMS[name] for name in forms]
    return Costs(tuple(names), tuple(rows), _remarks(flops, forms))


def _counted(
    label: str, key: str, forms: Mapping[str, FormCost], values: Sequence[int], texts: Sequence[str]
) -> CostRow:
    """Return a row of what was counted; of what leaves nodes out a dash, and no ratio."""
    whole = [key not in form.uncounted for form in forms.values()]
    shown = [text if sure else "-" for text, sure in zip(texts, whole, strict=True)]
    row = _row(label, [value if sure else 0 for value, sure in zip(values, whole, strict=True)], shown)
    return row if whole[0] and whole[-1] else replace(row, saved="-")


def _moved(forms: Mapping[str, FormCost]) -> list[CostRow]:
    """Return what each form sorts, scans, gathers and scatters, as far as any does."""
    rows = []
    for kind in KINDS:
        amounts = [getattr(form.movement, kind) for form in forms.values()]
        values = [amount.elements for amount in amounts]
        if any(values):
            texts = [f"{scaled(amount.elements, '')} ({size(amount.bytes)})" for amount in amounts]
            rows.append(_counted(f"elements {kind} (bytes)", "movement", forms, values, texts))
    predicted = [form.model_predicted_ns for form in forms.values()]
    if any(predicted):
        texts = [f"{value / 1e6:.1f} ms" for value in predicted]
        label = "predicted time, ONNX Runtime on a reference processor"
        rows.append(_counted(label, "model_predicted_ns", forms, predicted, texts))
    return rows


def time_table(bench: BuildBench) -> Costs:
    """Return the measured times and memory of the forms: the site alone, and the whole model if it was timed."""
    names = tuple(FORMS.get(name, name) for name in bench.rows)
    rows = [
        _row(f"rows of site {bench.site}", list(bench.rows.values()), [count(n) for n in bench.rows.values()])
    ]
    for part, report in bench.parts.items():
        spreads = [form.seconds for form in report.forms.values()]
        texts = [_milliseconds(spread) for spread in spreads]
        row = _row(f"{_PARTS[part]}, ms", [spread.median for spread in spreads], texts)
        last = list(report.forms)[-1]
        rows.append(replace(row, saved=times(report.ratios[last].median)))
    for part, report in bench.parts.items():
        used = [float(form.peak_bytes - form.idle_bytes) for form in report.forms.values()]
        rows.append(_row(f"{_PARTS[part]}, peak memory", used, [size(number) for number in used]))
    one = next(iter(bench.parts.values()))
    how = (
        f"{one.runtime}, {plural(one.threads, 'thread')}, {plural(one.rounds, 'round')}, forms in turn. "
        "Medians with quartiles; a ratio is the median of the ratios of each round. "
        "Memory is that of the form's own process, without the idle runtime."
    )
    return Costs(names, tuple(rows), (how,))


def once_table(measured: Measured) -> Costs:
    """Return the time and memory of both forms that the build measured once."""
    rows = []
    for part in measured.parts:
        spent = [part.original.cpu_seconds, part.specialized.cpu_seconds]
        row = _row(f"{_ONCE[part.part]}, processor time, ms", spent, [f"{1e3 * each:.1f}" for each in spent])
        rows.append(replace(row, saved=saved(part.ratio, 1.0)))
        used = [part.original.peak_bytes, part.specialized.peak_bytes]
        rows.append(_row(f"{_ONCE[part.part]}, peak memory", used, [size(each) for each in used]))
    how = f"Measured here, once: {measured.how()}. `specialize bench` repeats it."
    told = (f"{line[0].upper()}{line[1:]}." for line in measured.contradictions)
    missing = (f"Not measured: {line}." for line in measured.not_measured)
    return Costs((FORMS["original"], FORMS["specialized"]), tuple(rows), (how, *told, *missing))


def share_rows(bench: BuildBench) -> tuple[Pair, ...]:
    """Return the operators that take most of the time, form by form, at the site with its projections."""
    report = bench.parts.get("site") or next(iter(bench.parts.values()))
    return tuple(
        Pair(FORMS.get(name, name), _shares(form.shares))
        for name, form in report.forms.items()
        if form.shares
    )


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {percent(share)}" for name, share in list(shares.items())[:_SHOWN_SHARES])


def _milliseconds(spread: Spread) -> str:
    low, median, high = (1e3 * seconds for seconds in (spread.low, spread.median, spread.high))
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


def _row(label: str, values: list[Any], texts: list[str]) -> CostRow:
    most = max(values, default=0) or 1
    bars = tuple(Bar(text, width(value / most)) for value, text in zip(values, texts, strict=True))
    return CostRow(label, bars, saved(values[0], values[-1]) if values else "")


def _remarks(flops: FormsReport, forms: Mapping[str, FormCost]) -> tuple[str, ...]:
    remarks = []
    share = flops.attention_share.get("original", 1.0)
    lacking = forms["original"].uncounted if "original" in forms else ()
    if share < _SMALL_SHARE and not {"attention_flops", "model_flops"} & set(lacking):
        remarks.append(
            f"Cross-attention is {percent(share)} of the original model's operations, "
            "so the whole model saves little in operations, whatever the attention saves."
        )
    for entry in flops.uncounted:
        remarks.append(f"Not counted: {entry.op}, {plural(entry.nodes, 'node')} ({entry.reason}).")
    if forms and not flops.uncounted:
        remarks.append("Every operator of every form is counted.")
    return tuple(remarks)
