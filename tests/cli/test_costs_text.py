"""Whatever was counted, no text divides by what was not counted, and none calls a loss a saving."""

from __future__ import annotations

import re

import hypothesis.strategies as st
from hypothesis import example, given

from specialize.artifact.manifest import Site, SiteCamera
from specialize.cli.render_build import headline, sites_tables
from specialize.cli.render_compare import compare_markdown
from specialize.cli.schemas.builds import form_of
from specialize.evidence.costs import KINDS, Amount, FormCost, FormsReport, Movement
from specialize.explain.compare import Comparison
from specialize.report.costs import MORE_QUANTITIES, costs_table
from tests.cost_rules import SHOWN, told_wrong

QUANTITIES = [name for name in FormCost.__struct_fields__ if name not in ("uncounted", "movement")]
UNCOUNTED = sorted({name.partition(".")[0] for name in SHOWN.values()})
AMOUNTS = st.builds(Amount, st.integers(0, 10**12), st.integers(0, 10**12))


@st.composite
def reports(draw: st.DrawFn) -> FormsReport:
    """Draw a report in which quantities shrink, grow, are nothing, or are not counted."""
    form = st.builds(
        FormCost,
        **dict.fromkeys(QUANTITIES, st.integers(0, 10**12)),
        movement=st.builds(Movement, **dict.fromkeys(KINDS, AMOUNTS)),
        uncounted=st.lists(st.sampled_from(UNCOUNTED), unique=True).map(tuple),
    )
    forms = {name: draw(form) for name in ("original", "rebatched", "specialized")}
    return FormsReport(original=draw(st.sampled_from(["", "re-batched", "zero-padded"])), forms=forms)


@given(reports())
def test_no_text_of_random_reports_misleads(report: FormsReport) -> None:
    """A ratio stands only between counted numbers and says which way it goes; nothing is negative."""
    assert list(told_wrong(report)) == []


@given(reports())
def test_the_page_of_random_reports_says_the_same(report: FormsReport) -> None:
    """The HTML's table has no ratio of what is not counted, and none below one."""
    table = costs_table(report, MORE_QUANTITIES)
    rows = {row[0].text: row[-1].text for row in table.rows}
    for saved in rows.values():
        assert not saved.startswith(("0", "-0")) and "inf" not in saved and "nan" not in saved
    first, last = report.forms["original"], report.forms["specialized"]
    if "model_flops" in (*first.uncounted, *last.uncounted):
        assert rows["whole-model FLOPs"] == "-"
    elif last.model_flops > 1.01 * first.model_flops > 0:
        assert rows["whole-model FLOPs"].endswith("more")


@given(reports())
def test_json_gives_no_number_for_what_is_not_counted(report: FormsReport) -> None:
    """What leaves nodes out is null in the JSON of a build."""
    for cost in report.forms.values():
        form = form_of(cost)
        for key in ("attention", "model"):
            assert (getattr(form, key) is None) == (f"{key}_flops" in cost.uncounted)
        for key in ("movement", "model_predicted_ns"):
            assert (getattr(form, key) is None) == (key in cost.uncounted)


@given(reports(), st.data())
def test_a_comparison_of_random_reports_misleads_nobody(report: FormsReport, data: st.DataObject) -> None:
    """No figure of it is negative, not a number or infinite; what is not counted is a dash."""
    row = Comparison(model="m", vehicle="v", sites=data.draw(sites()), flops=report)
    text = str(compare_markdown([row]))
    assert not re.search(r"-\d|nan|inf", text)
    unknown = "movement" in (*report.forms["original"].uncounted, *report.forms["specialized"].uncounted)
    for line in text.splitlines():
        if line.startswith("m, v: elements"):
            assert (" - " in f"{line} ".replace(",", " ")) is unknown, line


@st.composite
def sites(draw: st.DrawFn) -> tuple[Site, ...]:
    """Draw sites of one rig: of cameras, some of which see nothing, and of points that are pooled."""
    count = draw(st.integers(1, 4))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        queries = draw(st.integers(1, 500))
        visible = draw(st.lists(st.integers(0, queries), min_size=count, max_size=count))
        cameras = tuple(SiteCamera(name=f"C{place}", visible=seen) for place, seen in enumerate(visible))
        site = Site(
            kind=draw(st.sampled_from(["camera", "camera", "pooled"])),
            queries=queries,
            cameras=cameras,
            longest=max(visible),
            pairs=sum(visible),
            rows_computed=sum(visible) + draw(st.sampled_from([0, 0, 7])),
        )
        made += [site] * draw(st.integers(1, 2))
    return tuple(made)


@given(sites())
@example((Site(queries=2, cameras=(SiteCamera(name="C", visible=2),), longest=2, pairs=2, rows_computed=8),))
def test_the_headline_is_the_sum_of_its_table(found: tuple[Site, ...]) -> None:
    """What the first line counts is what the table's columns list, each as often as there are such sites."""
    first = headline(found).splitlines()[0]
    tables = sites_tables(found)
    cameras = [site for site in found if site.kind == "camera"]
    assert bool(tables) == bool(cameras)
    if not cameras:
        assert "camera-query" not in first
        return
    (body,) = tables
    cells = [[cell.text for cell in column] for column in zip(*body.rows, strict=True)]
    listed = {(column[-1], tuple(column[:-2])) for column in cells[1::2]}
    own = {
        (f"{site.rows_computed:,}", tuple(f"{each.visible:,}" for each in site.cameras)) for site in cameras
    }
    assert listed == own
    computed = sum(site.rows_computed for site in cameras)
    dense = sum(site.queries * len(site.cameras) for site in cameras)
    if computed > dense:
        assert (
            first == f"no fewer camera-query pairs: {computed:,} are computed for {dense:,}, padding included"
        )
    elif computed:
        assert first.endswith(f": {computed:,} of {dense:,} are computed")
        assert float(first.split("x")[0]) >= 1.0
    else:
        assert first.startswith("no camera sees any query")
