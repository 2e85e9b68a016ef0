"""Costs of the forms of a model, as a table; the JSON is the report's own."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.table import Table

from specialize.cli.output import stack
from specialize.cli.tables import scaled, size, table, times

FORMS = {"zero_padded": "zero-padded", "rebatched": "re-batched", "specialized": "specialized"}
_SMALL_SHARE = 0.2


def forms_table(costs: dict[str, Any]) -> Table:
    """Return pairs, operations and bytes of every form, and how many times less the last one needs."""
    forms = in_order(costs["forms"])
    rows = (
        ("pairs, all sites", "pairs", lambda value: f"{value:,}"),
        ("attention FLOPs", "attention_flops", scaled),
        ("  per row", "per_row_flops", scaled),
        ("whole-model FLOPs", "model_flops", scaled),
        ("attention bytes", "attention_bytes", size),
        ("whole-model bytes", "model_bytes", size),
    )
    first, last = next(iter(forms.values())), list(forms.values())[-1]
    body = table("", *(FORMS.get(name, name) for name in forms), "saved")
    for label, key, shown in rows:
        if any(
            form.get(key) for form in forms.values()
        ):  # a model without attention sites has none of theirs
            body.add_row(label, *(shown(form[key]) for form in forms.values()), times(first[key], last[key]))
    return body


def exchanged(costs: dict[str, Any]) -> str:
    """Return in one line what a specialization takes away, and the constants that it puts in place of it."""
    forms = list(in_order(costs.get("forms", {})).values())
    if not forms or "constant_bytes" not in forms[0]:
        return ""
    first, last = forms[0], forms[-1]
    less = {key: first[key] - last[key] for key in ("model_flops", "model_bytes", "weight_bytes")}
    more = last["constant_bytes"] - first["constant_bytes"]
    gone = (
        f"{scaled(less['model_flops'])} FLOPs and {size(less['model_bytes'])} of traffic per frame fall away"
    )
    come = f"{size(abs(more))} of constants {'come in' if more >= 0 else 'go, too'}"
    weights = f", {size(less['weight_bytes'])} of weights go" if less["weight_bytes"] > 0 else ""
    return f"{gone}; {come}{weights}"


def in_order(forms: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return the forms from the most to the least work; JSON does not keep an order."""
    ranked = sorted(forms, key=lambda name: list(FORMS).index(name) if name in FORMS else len(FORMS))
    return {name: forms[name] for name in ranked}


def costs_text(costs: dict[str, Any], title: str) -> RenderableType:
    """Return what `specialize flops` shows."""
    return stack(title, forms_table(costs), *_remarks(costs))


def _remarks(costs: dict[str, Any]) -> list[RenderableType]:
    remarks: list[RenderableType] = [line] if (line := exchanged(costs)) else []
    share = costs.get("attention_share", {}).get("zero_padded")
    if share and share < _SMALL_SHARE:
        remarks.append(
            f"note: cross-attention is {100 * share:.1f} % of the zero-padded model's FLOPs; "
            "the whole model saves accordingly"
        )
    uncounted = costs.get("uncounted", [])
    if uncounted:
        listed = ", ".join(f"{entry['op']} x{entry['nodes']} ({entry['reason']})" for entry in uncounted)
        remarks.append(f"not counted: {listed}")
    return remarks
