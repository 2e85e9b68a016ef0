"""Costs of the forms of a model, as a table; the JSON is the report's own."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.table import Table

from specialize.cli.output import stack
from specialize.cli.tables import table
from specialize.evidence.costs import KINDS, FormCost, FormsReport
from specialize.text.units import saved, scaled, size

FORMS = {"original": "original", "rebatched": "re-batched", "specialized": "specialized"}
_SMALL_SHARE = 0.2


def forms_table(costs: FormsReport) -> Table:
    """Return pairs, operations, bytes and movement of every form, and how many times less the last one needs.

    A quantity that leaves nodes out is a dash, and so is what would be computed from it.
    """
    forms = in_order(costs.forms)
    rows: tuple[tuple[str, str, Callable[[int], str]], ...] = (
        ("pairs, all sites", "pairs", lambda value: f"{value:,}"),
        ("attention FLOPs", "attention_flops", scaled),
        ("  per row", "per_row_flops", scaled),
        ("whole-model FLOPs", "model_flops", scaled),
        ("attention bytes", "attention_bytes", size),
        ("whole-model bytes", "model_bytes", size),
    )
    rows += tuple((f"{kind} elements", f"movement.{kind}.elements", scaled) for kind in KINDS)
    rows += (("predicted time", "model_predicted_ns", lambda _: ""),)
    first, last = next(iter(forms.values())), list(forms.values())[-1]
    body = table("", *(_titled(name, costs) for name in forms), "saved")
    for label, key, shown in rows:
        values = [form.known(key) for form in forms.values()]
        if any(value != 0 for value in values):  # a model without attention sites has none of theirs
            one, two = first.known(key), last.known(key)
            ratio = "-" if one is None or two is None else saved(one, two)
            body.add_row(label, *("-" if value is None else shown(value) for value in values), ratio)
    return body


def _titled(name: str, costs: FormsReport) -> str:
    """Return the title of a form's column; the original is named after the form that it has."""
    written = costs.original if name == "original" else ""
    return f"original ({written})" if written else FORMS.get(name, name)


def exchanged(costs: FormsReport) -> str:
    """Return in one line what a specialization takes away, and the constants that it puts in place of it."""
    forms = list(in_order(costs.forms).values())
    if not any(form.weight_bytes or form.constant_bytes for form in forms):
        return ""
    first, last = forms[0], forms[-1]
    more = last.constant_bytes - first.constant_bytes
    weights = first.weight_bytes - last.weight_bytes
    gone = f", {size(weights)} of weights go" if weights > 0 else ""
    come = f"{size(abs(more))} of constants {'come in' if more >= 0 else 'go, too'}"
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
    lines = [f"{' and '.join(fall)} per frame fall away"] if fall else []
    lines += [f"grows per frame: {' and '.join(grow)}"] if grow else []
    return lines + ([f"not counted: {' and '.join(unknown)}"] if unknown else [])


def in_order(forms: dict[str, FormCost]) -> dict[str, FormCost]:
    """Return the forms from the most to the least work; JSON does not keep an order."""
    ranked = sorted(forms, key=lambda name: list(FORMS).index(name) if name in FORMS else len(FORMS))
    return {name: forms[name] for name in ranked}


def costs_text(costs: FormsReport, title: str) -> RenderableType:
    """Return what `specialize flops` shows."""
    return stack(title, forms_table(costs), *_remarks(costs))


def _remarks(costs: FormsReport) -> list[RenderableType]:
    remarks: list[RenderableType] = [line] if (line := exchanged(costs)) else []
    share, first = costs.attention_share.get("original"), costs.forms["original"]
    complete = None not in (first.known("attention_flops"), first.known("model_flops"))
    if share and share < _SMALL_SHARE and complete:
        remarks.append(
            f"note: cross-attention is {100 * share:.1f} % of the original model's FLOPs; "
            "the whole model saves accordingly"
        )
    if costs.uncounted:
        listed = ", ".join(f"{entry.op} x{entry.nodes} ({entry.reason})" for entry in costs.uncounted)
        remarks.append(f"not counted: {listed}")
    return remarks
