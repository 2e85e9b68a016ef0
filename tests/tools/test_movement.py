"""The rates and the table of predicted ratios are those of the stored results."""

from __future__ import annotations

import json
from pathlib import Path

import onnx_ir as ir
import pytest

from specialize.costs import count
from specialize.costs.predict import RATES, predicted_ns, quantities
from tools.movement import LEAST_OFF, MARKS, RESULTS, Site, sites_of, table
from tools.movement_cases import CASES, Case

STORED = json.loads(RESULTS.read_text())
PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "costs.md"
NAMED_IN_THE_PAGE = {"bevdet_rots"}
"""Models of the results whose ratio is not predicted; the page says why."""


def test_the_rates_are_those_that_were_measured() -> None:
    """The compiler has the rates of the stored results."""
    assert dict(RATES) == STORED["rates"]


def test_the_page_has_the_stored_table() -> None:
    """The table is written from the results, and names every model that is farther off than a quarter."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, table(sites_of(STORED)))
    assert {site.name for site in sites_of(STORED) if abs(site.off) > LEAST_OFF} == NAMED_IN_THE_PAGE


def test_five_models_are_predicted() -> None:
    """At least five are, among them one that sorts, one that scatters and one that samples."""
    close = {site.name for site in sites_of(STORED) if abs(site.off) <= LEAST_OFF}
    assert {"bevfusion_sort", "fast_bev", "maptr_gkt", "bevformer_padded", "fb_bev"} <= close


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_counted(case: Case) -> None:
    """Each operator is counted whole, so that its time is explained by its quantities."""
    report = count(ir.from_proto(case.model()))
    assert report.uncounted == () and len(report.nodes) == case.copies
    assert predicted_ns(report) > 0


def test_every_rate_has_a_case() -> None:
    """No rate is a guess: each quantity occurs in a case."""
    seen = {
        name
        for case in CASES
        for node in count(ir.from_proto(case.model())).nodes
        for name, value in quantities(node).items()
        if value
    }
    assert seen == set(RATES)


def test_a_document_without_marks_is_refused() -> None:
    """A table is written between its marks or not at all."""
    with pytest.raises(AssertionError, match="movement: begin"):
        MARKS.filled("nothing", "table")


def test_how_far_a_ratio_is_off() -> None:
    """A predicted 3 for a measured 4 is a quarter too low."""
    site = Site(
        name="m", part="model", predicted_ms=(3, 1), measured_ms=(4, 1), flops_ratio=1, bytes_ratio=1,
        predicted_ratio=3.0, measured_ratio=4.0,
    )  # fmt: skip
    assert site.off == -0.25
