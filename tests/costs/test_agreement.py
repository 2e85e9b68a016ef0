"""A measurement that contradicts the count is seen at once; noise is no contradiction."""

from __future__ import annotations

import math

import msgspec
import pytest

from specialize.costs import FormsReport, contradiction, counted_ratio
from specialize.evidence.costs import FormCost

ORIGINAL = FormCost(
    pairs=100, attention_flops=4000, per_row_flops=0, model_flops=8000, attention_bytes=1000, model_bytes=2000,
    attention_samples=0, peak_bytes=0, weight_bytes=0, constant_bytes=0, attention_predicted_ns=500,
    model_predicted_ns=1000,
)  # fmt: skip


def report(factor: float, *uncounted: str) -> FormsReport:
    """Return a report in which the specialized form takes `factor` times as long as the original by count."""
    less = {
        name: round(getattr(ORIGINAL, name) * factor)
        for name in ("attention_predicted_ns", "model_predicted_ns")
    }
    last = msgspec.structs.replace(ORIGINAL, **less, uncounted=uncounted)
    return FormsReport(forms={"original": ORIGINAL, "specialized": last})


def test_the_counted_ratio_is_of_the_part() -> None:
    """Half the time: the ratio is 2, of the sites and of the model; what is not counted has none."""
    assert counted_ratio(report(0.5), "sites") == counted_ratio(report(0.5), "model") == 2.0
    assert math.isnan(counted_ratio(report(0.5, "model_predicted_ns"), "model"))
    assert counted_ratio(report(0.5, "model_predicted_ns"), "sites") == 2.0


@pytest.mark.parametrize(
    ("factor", "measured", "said"),
    [
        (0.5, 0.5, "predicted 2.00x faster, measured 2.00x slower"),
        (2.0, 4.0, "predicted 2.00x slower, measured 4.00x faster"),
        (0.5, 2.0, ""),
        (2.0, 0.5, ""),
        (0.5, 0.95, ""),
        (0.95, 0.5, ""),
    ],
)
def test_opposite_directions_are_one_sentence(factor: float, measured: float, said: str) -> None:
    """Both figures are in it; within a tenth of 1 a figure has no direction."""
    found = contradiction(report(factor), "model", measured)
    assert found == (f"contradiction: whole model: {said}" if said else "")


def test_what_is_not_counted_contradicts_nothing() -> None:
    """No ratio, no sentence."""
    assert contradiction(report(0.5, "attention_predicted_ns"), "sites", 0.1) == ""
