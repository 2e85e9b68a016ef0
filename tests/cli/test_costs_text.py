"""Whatever was counted, no text divides by what was not counted, and none calls a loss a saving."""

from __future__ import annotations

import re
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from specialize.cli.output import to_text
from specialize.cli.render_build import flops_json
from specialize.cli.render_costs import costs_text
from specialize.flops.report import FormCost, FormsReport
from specialize.report.costs import cost_table

QUANTITIES = [name for name in FormCost.__dataclass_fields__ if name != "uncounted"]
SHOWN = {
    "attention FLOPs": "attention_flops",
    "per row": "per_row_flops",
    "whole-model FLOPs": "model_flops",
    "attention bytes": "attention_bytes",
    "whole-model bytes": "model_bytes",
}


@st.composite
def reports(draw: st.DrawFn) -> FormsReport:
    """Draw a report in which quantities shrink, grow, are nothing, or are not counted."""
    form = st.builds(
        FormCost,
        **dict.fromkeys(QUANTITIES, st.integers(0, 10**12)),
        uncounted=st.lists(st.sampled_from(list(SHOWN.values())), unique=True).map(tuple),
    )
    forms = {name: draw(form) for name in ("original", "rebatched", "specialized")}
    return FormsReport(forms, (), draw(st.sampled_from(["", "re-batched", "zero-padded"])))


@given(reports())
def test_no_text_of_random_reports_misleads(report: FormsReport) -> None:
    """A ratio stands only between counted numbers and says which way it goes; nothing is negative."""
    data: dict[str, Any] = report.to_json()
    text = to_text(costs_text(data, "model"))
    assert "-" not in re.sub(
        r"re-batched|zero-padded|whole-model|cross-attention| -( |$)", "", text, flags=re.M
    )
    first, last = report.forms["original"], report.forms["specialized"]
    for line in text.splitlines():
        name = next((name for name in SHOWN if line.strip().startswith(name)), "")
        if name:
            _is_true(line.rstrip(), first, last, SHOWN[name])


@given(reports())
def test_the_page_of_random_reports_says_the_same(report: FormsReport) -> None:
    """The HTML's table has no ratio of what is not counted, and none below one."""
    for row in cost_table(report.to_json()).rows:
        assert not row.saved.startswith(("0", "-0")) and "inf" not in row.saved and "nan" not in row.saved
    first, last = report.forms["original"], report.forms["specialized"]
    rows = {row.label: row.saved for row in cost_table(report.to_json()).rows}
    if "model_flops" in (*first.uncounted, *last.uncounted):
        assert rows["whole-model operations"] == "-"
    elif last.model_flops > first.model_flops > 0:
        assert rows["whole-model operations"].endswith("more")


@given(reports())
def test_json_gives_no_number_for_what_is_not_counted(report: FormsReport) -> None:
    """What leaves nodes out is null in the JSON of a build."""
    for name, form in flops_json(dict(report.to_json())).items():
        for key in ("attention", "model"):
            assert (form[key] is None) == (f"{key}_flops" in report.forms[name].uncounted)


def _is_true(line: str, first: FormCost, last: FormCost, key: str) -> None:
    one, two = getattr(first, key), getattr(last, key)
    if key in (*first.uncounted, *last.uncounted) or not one or not two:
        assert line.endswith(" -") or one == 0 == two or "x" not in line.split()[-1], line
        return
    if two > one:
        assert line.endswith("x more"), line
    else:
        assert float(line.split()[-1].removesuffix("x")) >= 1.0, line
