"""Compare several forms of the same model and calibration by their counted costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from specialize.costs.movement import MOVEMENTS
from specialize.costs.predict import predicted_ns
from specialize.costs.report import UNKNOWN_SHAPE, CostReport
from specialize.evidence.costs import FormCost, FormsReport, Uncounted


def form_cost(report: CostReport, pairs: int) -> FormCost:
    """Return a report in one line; `pairs` is what the caller knows about the graph's rows."""
    attention, model = report.attention(), report.total()
    return FormCost(
        pairs=pairs,
        attention_flops=attention.flops,
        per_row_flops=report.per_row().flops,
        model_flops=model.flops,
        attention_bytes=attention.moved_bytes,
        model_bytes=model.moved_bytes,
        attention_samples=attention.samples,
        peak_bytes=report.peak_bytes,
        weight_bytes=report.weight_bytes,
        constant_bytes=report.constant_bytes,
        attention_predicted_ns=predicted_ns(report, attention=True),
        model_predicted_ns=predicted_ns(report),
        movement=model.movement,
        uncounted=_incomplete(report.uncounted),
    )


def _incomplete(uncounted: Iterable[Uncounted]) -> tuple[str, ...]:
    """Return the quantities that leave out what is not counted; of a node without a formula the bytes are known."""
    found: dict[str, None] = {}
    for entry in uncounted:
        parts = ["flops"] if entry.reason != UNKNOWN_SHAPE else ["flops", "bytes"]
        found.update(dict.fromkeys(f"model_{part}" for part in (*parts, "predicted_ns")))
        if entry.attention:
            found.update(dict.fromkeys(f"attention_{part}" for part in (*parts, "samples", "predicted_ns")))
            found["per_row_flops"] = None
        if entry.reason == UNKNOWN_SHAPE:
            found["peak_bytes"] = None
            if entry.op in MOVEMENTS:
                found["movement"] = None
    return tuple(found)


def compare_forms(
    reports: Mapping[str, CostReport], pairs: Mapping[str, int], original: str = ""
) -> FormsReport:
    """Put several counted forms side by side; what any of them leaves uncounted is listed once.

    Args:
        reports: Name -> count; the first is what the others are compared with.
        pairs: Name -> rows of the sites.
        original: How the sites of the first form are written.
    """
    uncounted = dict.fromkeys(entry for report in reports.values() for entry in report.uncounted)
    forms = {name: form_cost(report, pairs[name]) for name, report in reports.items()}
    return FormsReport(
        original=original,
        forms=forms,
        attention_share={name: _attention_share(form) for name, form in forms.items()},
        uncounted=tuple(uncounted),
    )


def _attention_share(form: FormCost) -> float:
    return round(form.attention_flops / form.model_flops, 6) if form.model_flops else 0.0
