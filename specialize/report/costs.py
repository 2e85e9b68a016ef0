"""Show the costs of the forms of a model side by side, for command line and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from specialize.evidence.costs import KINDS, FormCost, FormsReport
from specialize.text.document import Cell, Column, Table, table
from specialize.text.units import count, percent, saved, scaled, size

FORMS = {"original": "original", "rebatched": "re-batched", "specialized": "specialized"}
Quantity = tuple[str, str, Callable[[int], str]]
_COUNTED: tuple[Quantity, ...] = (
    ("pairs, all sites", "pairs", count),
    ("attention FLOPs", "attention_flops", scaled),
    ("  per row", "per_row_flops", scaled),
    ("whole-model FLOPs", "model_flops", scaled),
    ("attention bytes", "attention_bytes", size),
    ("whole-model bytes", "model_bytes", size),
)
_MOVED: tuple[Quantity, ...] = tuple(
    (f"{kind} elements", f"movement.{kind}.elements", scaled) for kind in KINDS
)
QUANTITIES = (*_COUNTED, *_MOVED, ("predicted time", "model_predicted_ns", lambda _: ""))
"""Rows of the table: label, name of a form's quantity, and its text; a predicted time is good for a ratio."""
MORE_QUANTITIES: tuple[Quantity, ...] = (
    *_COUNTED,
    ("attention samples", "attention_samples", scaled),
    ("peak memory", "peak_bytes", size),
    *_MOVED,
    *((f"{kind} bytes", f"movement.{kind}.bytes", size) for kind in KINDS),
    (
        "predicted time, ONNX Runtime on a reference processor",
        "model_predicted_ns",
        lambda ns: f"{ns / 1e6:.1f} ms",
    ),
)
_SMALL_SHARE = 0.2


def costs_table(costs: FormsReport, quantities: Sequence[Quantity] = QUANTITIES) -> Table:
    """Return quantities of every form, and how many times less the last one needs.

    A quantity that leaves nodes out is a dash, and so is what would be computed from it.
    """
    forms = in_order(costs.forms)
    rows = []
    for label, key, shown in quantities:
        values = [form.known(key) for form in forms.values()]
        if any(value != 0 for value in values):  # a model without attention sites has none of theirs
            one, two = values[0], values[-1]
            ratio = "-" if one is None or two is None else saved(one, two)
            texts = ["-" if value is None else shown(value) for value in values]
            rows.append(compared(label, texts, [value or 0 for value in values], ratio))
    titles = (_title(name, costs) for name in forms)
    return table("", *(Column(title, "bars") for title in titles), "saved", rows=rows, look="forms")


def compared(label: str, texts: Sequence[str], values: Sequence[float], *more: str) -> tuple[str | Cell, ...]:
    """Return the row of a quantity, its bars as shares of the largest value."""
    most = max(values, default=0) or 1
    return (label, *(Cell(text, value / most) for text, value in zip(texts, values, strict=True)), *more)


def _title(name: str, costs: FormsReport) -> str:
    """Return the title of a form's column; the original is named after the form that it has."""
    written = costs.original if name == "original" else ""
    return f"original ({written})" if written else FORMS.get(name, name)


def in_order(forms: dict[str, FormCost]) -> dict[str, FormCost]:
    """Return the forms from the most to the least work; JSON does not keep an order."""
    ranked = sorted(forms, key=lambda name: list(FORMS).index(name) if name in FORMS else len(FORMS))
    return {name: forms[name] for name in ranked}


def exchanged(costs: FormsReport) -> str:
    """Return in one line what a specialization takes away, and the constants that it puts in place of it."""
    forms = list(in_order(costs.forms).values())
    if not any(form.weight_bytes or form.constant_bytes for form in forms):
        return ""
    first, last = forms[0], forms[-1]
    more = last.constant_bytes - first.constant_bytes
    weights = first.weight_bytes - last.weight_bytes
    gone = f", {size(weights)} of weights are removed" if weights > 0 else ""
    come = f"{size(abs(more))} of constants {'are added' if more >= 0 else 'are removed, too'}"
    return "; ".join([*_changes(first, last), f"{come}{gone}"])


def _changes(first: FormCost, last: FormCost) -> list[str]:
    """Return what falls away per frame, what grows, and what is not counted; at most one entry of each."""
    fall, grow, unknown = [], [], []
    for key, what, amount in (("model_flops", "FLOPs", scaled), ("model_bytes", "traffic", size)):
        one, two = first.known(key), last.known(key)
        if one is None or two is None:
            unknown.append(what)
        elif one >= two:
            fall.append(
                f"{amount(one - two)} {what}" if what == "FLOPs" else f"{amount(one - two)} of {what}"
            )
        else:
            grow.append(f"{what} by {amount(two - one)}")
    lines = [f"{' and '.join(fall)} per frame are removed"] if fall else []
    lines += [f"grows per frame: {' and '.join(grow)}"] if grow else []
    return lines + ([f"not counted: {' and '.join(unknown)}"] if unknown else [])


def costs_remarks(costs: FormsReport) -> list[str]:
    """Return what is exchanged, how small the attention's share is, and what is not counted."""
    remarks = [line] if (line := exchanged(costs)) else []
    share, first = costs.attention_share.get("original"), costs.forms["original"]
    complete = None not in (first.known("attention_flops"), first.known("model_flops"))
    if share and share < _SMALL_SHARE and complete:
        remarks.append(
            f"note: cross-attention is {percent(share, 1)} of the original model's FLOPs; "
            "the whole model saves accordingly"
        )
    if costs.uncounted:
        listed = ", ".join(f"{entry.op} x{entry.nodes} ({entry.reason})" for entry in costs.uncounted)
        remarks.append(f"not counted: {listed}")
    return remarks
