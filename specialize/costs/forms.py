"""Several forms of the same model and calibration, counted and put side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from specialize.costs.movement import MOVEMENTS, NOTHING, Movement
from specialize.costs.predict import predicted_ns
from specialize.costs.report import UNKNOWN_SHAPE, CostReport, Uncounted

SCHEMA = "specialize/flops@1"


@dataclass(frozen=True, slots=True)
class FormCost:
    """One form of a model in one line.

    Attributes:
        pairs: Camera-query pairs computed, over all cameras and attention sites.
        attention_flops: Operations of the attention sites, projections included.
        per_row_flops: The part of them that works on the rows.
        model_flops: Operations of the whole model.
        attention_bytes: Bytes that the attention sites read and write.
        model_bytes: Bytes that the whole model reads and writes.
        attention_samples: Points sampled by the attention sites.
        peak_bytes: Activations at their peak, weights and constants.
        weight_bytes: Bytes of all weights, each once.
        constant_bytes: Bytes of all other constants, each once: tables, masks, what calibration alone determines.
        attention_predicted_ns: Time of the attention sites by the model of `predict`, on its processor.
        model_predicted_ns: Time of the whole model by it.
        movement: What the whole model sorts, scans, gathers and scatters.
        uncounted: Which of these quantities leave nodes out, hence are too small to be compared.
    """

    pairs: int
    attention_flops: int
    per_row_flops: int
    model_flops: int
    attention_bytes: int
    model_bytes: int
    attention_samples: int
    peak_bytes: int
    weight_bytes: int
    constant_bytes: int
    attention_predicted_ns: int = 0
    model_predicted_ns: int = 0
    movement: Movement = NOTHING
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormsReport:
    """Several forms of the same model and calibration, the first being the one to compare with.

    Attributes:
        forms: Name -> cost.
        uncounted: What any of them leaves out.
        original: How the sites of the first form are written, as `zero-padded`; empty without sites.
    """

    forms: Mapping[str, FormCost]
    uncounted: tuple[Uncounted, ...]
    original: str = ""

    def ratio(self, form: str, quantity: str) -> float:
        """Return how many times more of a quantity the first form has than `form`; nan if either leaves nodes out."""
        one, two = next(iter(self.forms.values())), self.forms[form]
        if quantity in (*one.uncounted, *two.uncounted):
            return float("nan")
        first, other = getattr(one, quantity), getattr(two, quantity)
        return float(first / other) if other else float("inf") if first else 1.0

    def attention_share(self, form: str) -> float:
        """Return the share (0 to 1) of a form's operations that its attention sites have."""
        cost = self.forms[form]
        return cost.attention_flops / cost.model_flops if cost.model_flops else 0.0

    def to_json(self) -> dict[str, object]:
        """Return plain values: the forms as counted, and what is not in them."""
        return {
            "schema": SCHEMA,
            "original": self.original,
            "forms": {
                name: {**asdict(form), "uncounted": list(form.uncounted)} for name, form in self.forms.items()
            },
            "attention_share": {name: round(self.attention_share(name), 6) for name in self.forms},
            "uncounted": [entry.to_json() for entry in self.uncounted],
        }


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
    return FormsReport(forms, tuple(uncounted), original)
