"""Models on vehicles in one table: as text and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.evidence.costs import KINDS
from specialize.report.costs import in_order
from specialize.text.document import Document, Table, table, words
from specialize.text.units import count, counted, saved, scaled, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from specialize.explain.compare import Comparison

_FORMS = "original / re-batched\n/ specialized"


def compare_text(rows: Sequence[Comparison]) -> Document:
    """Return what `specialize compare` shows."""
    return (_table(rows), *_remarks(rows))


def compare_markdown(rows: Sequence[Comparison]) -> Document:
    """Return the table as Markdown."""
    body = _table(rows)
    heads = [column.title.replace("\n", " ") for column in body.columns]
    rules = ["---" if column.kind == "words" else "---:" for column in body.columns]
    cells = [[cell.text.replace("\n", " + ") for cell in row] for row in body.rows]
    lines = [f"| {' | '.join(line)} |" for line in (heads, rules, *cells)]
    return "\n".join(["\n".join(lines), "", "\n".join(str(remark) for remark in _remarks(rows))])


def _table(rows: Sequence[Comparison]) -> Table:
    heads = ["queries", "longest\ncamera", "visible\npairs", "fewer\npairs"]
    heads += [f"{part} FLOPs\n{_FORMS}" for part in ("attention", "whole-model")]
    heads += ["less\ntime", "less\nmemory"] if any(row.time_ratio is not None for row in rows) else []
    cells = (_cells(row, 2 + len(heads)) for row in rows)
    return table(*words("model", "vehicle"), *heads, rows=cells)


def _cells(row: Comparison, columns: int) -> list[str]:
    forms = in_order(row.flops.forms)
    first, last = forms["original"], forms["specialized"]
    cells = [row.model, row.vehicle]
    cells += [_each(row, key) for key in ("queries", "longest", "pairs")]
    cells.append(saved(first.pairs, last.pairs))
    cells.append(_three([form.known("attention_flops") for form in forms.values()]) if row.sites else "-")
    cells.append(_three([form.known("model_flops") for form in forms.values()]))
    cells += [times(ratio, 1) for ratio in (row.time_ratio, row.memory_ratio) if ratio is not None]
    missing = "not measured" if row.sites else "-"  # without a site there is nothing to measure
    return cells + [missing] * (columns - len(cells))


def _three(values: Sequence[int | None]) -> str:
    """Return the values in the unit of the first one known; a dash for what is not counted."""
    unit = scaled(next((value for value in values if value is not None), 0)).partition(" ")[2]
    factor = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    if any(value and value < factor / 100 for value in values):
        return " / ".join("-" if value is None else scaled(value) for value in values)  # each in its own unit
    return " / ".join("-" if value is None else f"{value / factor:.3g}" for value in values) + f" {unit}"


def _each(row: Comparison, key: str) -> str:
    """Return a figure of all sites, one below the other, equal sites once."""
    found = dict.fromkeys((site.queries, getattr(site, key)) for site in row.sites)
    return "\n".join(count(number) for _, number in found) or "-"


def _moved(row: Comparison) -> str:
    """Return what a model moves by index, original and specialized; nothing if neither does."""
    forms = in_order(row.flops.forms)
    told = []
    for kind in KINDS:
        one, two = (forms[name].known(f"movement.{kind}.elements") for name in ("original", "specialized"))
        if one or two:
            told.append(f"{kind} {_three([one, two])}".rstrip())
    return f"{row.model}, {row.vehicle}: elements {', '.join(told)}" if told else ""


def _remarks(rows: Sequence[Comparison]) -> list[str | Table]:
    remarks: list[str | Table] = [
        "Queries, longest camera and visible pairs are given for one attention site of each kind.\n"
        "FLOPs are given for all sites and for the whole model; a multiply-add counts as two."
    ]
    remarks += [line for row in rows if (line := _moved(row))]
    benches = [row.bench for row in rows if row.bench is not None]
    if benches:
        parts = [part for bench in benches for part in bench.parts.values()]
        one, rounds = parts[0], sorted({part.rounds for part in parts})
        how_often = f"{rounds[0]} to {rounds[-1]} rounds" if len(rounds) > 1 else counted(rounds[0], "round")
        remarks.append(
            "Time and peak memory compare the specialized with the original form of the largest site, including its "
            "projections.\n"
            f"They were measured on {one.runtime}, {counted(one.threads, 'thread')}, {how_often}, "
            "the forms in turn."
        )
    return remarks
