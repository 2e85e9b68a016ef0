"""Renderers: the text a person reads, and the JSON of the same value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from specialize.artifact.describe import describe_notes
from specialize.artifact.manifest import PassNote, Site, SiteCamera
from specialize.cli.output import json_text, print_json, to_text
from specialize.cli.render_build import build_text, headline, proof, sites_tables
from specialize.cli.render_verify import verify_text
from specialize.cli.schemas.builds import built
from specialize.evidence.comparison import NOT_COMPARED
from specialize.evidence.costs import FormCost, FormsReport
from specialize.graph.notes import Note
from specialize.report.costs import costs_remarks, costs_table, exchanged
from specialize.request import BuildOutcome
from specialize.targets.conformance import NOTES
from specialize.text.document import Document, table
from specialize.text.record import Figure, to_json
from specialize.text.units import saved
from tests.artifact.examples import manifest, measured
from tests.golden_files import check_golden

OUTCOME = BuildOutcome(
    build_dir=Path("build/car42"),
    up_to_date=False,
    manifest=manifest(),
    seconds={"export": 20.25, "compile": 2.5, "verify": 10.0},
    warnings=("the disk is nearly full",),
)


def _costs(costs: FormsReport, title: str) -> Document:
    """Return what `specialize flops` shows."""
    return (title, costs_table(costs), *costs_remarks(costs))


def test_a_build_reads_as_agreed() -> None:
    """What `build` shows leads with the pairs and ends with the next command."""
    check_golden("build.txt", to_text(build_text(OUTCOME)))


def test_measured_figures_stand_below_the_counted_ones() -> None:
    """Time and memory of both forms, which way they go, and on what they were measured, within 80 columns."""
    text = to_text(build_text(replace(OUTCOME, measured=measured())))
    check_golden("build_measured.txt", text)
    table = text[text.index("measured here, once") :].splitlines()
    assert max(len(line) for line in table[:7]) <= 80


def test_a_ratio_to_next_to_nothing_is_not_told() -> None:
    """Two elements that become thousands are more than a hundred times more; how many says nothing."""
    assert saved(2, 31_933) == ">100x more" and saved(1, 99) == "99.00x more"


def test_a_build_up_to_date_says_so() -> None:
    """A build that was there already says so and shows no times."""
    text = to_text(build_text(replace(OUTCOME, up_to_date=True, seconds={})))
    assert text.startswith("build/car42: up to date\n")
    assert "seconds:" not in text


def test_what_a_toolchain_does_is_said_once() -> None:
    """Every reason is a line, also where the float32 model and the converted one share it."""
    notes = [
        Note(NOTES, "applied", "qnn", reason)
        for reason in ("9 nodes allowed", "unknown: 1 Log", "unknown: 1 Log")
    ]
    made = msgspec.structs.replace(OUTCOME.manifest, target="qnn", passes=describe_notes(notes))
    lines = to_text(build_text(replace(OUTCOME, manifest=made))).splitlines()
    first = lines.index("qnn: 9 nodes allowed")
    assert lines[first + 1 : first + 3] == [
        "qnn: unknown: 1 Log",
        "node by node: specialize inspect build/car42 --target qnn",
    ]
    assert "node by node" not in to_text(build_text(OUTCOME))


def test_a_builds_json_has_all_that_was_promised() -> None:
    """The JSON of a build has the keys that scripts rely on."""
    data = {"schema": "specialize/build@1"} | json.loads(json.dumps(to_json(built(OUTCOME))))
    promised = {
        *("schema", "build_dir", "up_to_date", "model", "mode", "layout", "sites", "digests"),
        *("verify", "flops", "seconds", "warnings"),
    }
    assert promised <= set(data)
    assert set(data["sites"][0]) == {"kind", "queries", "cameras", "longest", "pairs", "rows_computed"}
    assert set(data["digests"]) == {"profile", "plan", "model", "build"}
    assert set(data["flops"]) == {"original", "rebatched", "specialized"}
    assert all({"attention", "model"} <= set(form) for form in data["flops"].values())
    assert data["verify"]["passed"] is True
    assert {"max_abs", "max_rel"} <= set(data["verify"]["outputs"]["bev_embed"])
    assert data["warnings"] == ["weights are seeded, not trained", "the disk is nearly full"]
    check_golden("build.json", json_text(data) + "\n")


def test_sites_that_differ_have_columns_of_their_own() -> None:
    """Equal sites share a column; others get their own."""
    (site,) = manifest().sites
    other = msgspec.structs.replace(site, queries=200)
    made = msgspec.structs.replace(manifest(), sites=(site, site, other))
    text = to_text(build_text(BuildOutcome(build_dir=Path("b"), up_to_date=True, manifest=made)))
    assert "sites 0-1" in text
    assert "site 2" in text


def test_a_build_without_sites_is_shown() -> None:
    """A build in which nothing was specialized is shown without a division by zero."""
    made = msgspec.structs.replace(manifest(), sites=(), flops=FormsReport())
    text = to_text(build_text(BuildOutcome(build_dir=Path("b"), up_to_date=True, manifest=made)))
    assert "no camera attends to queries" in text
    assert (
        headline(())
        == "no camera attends to queries here: what depends on the calibration alone is now constant"
    )


def test_what_became_constant_is_weighed() -> None:
    """Without sites the costs say what fell away and what came in; rows about sites are left out."""
    zero = dict.fromkeys(
        ("pairs", "attention_flops", "per_row_flops", "attention_bytes", "attention_samples", "peak_bytes"), 0
    )
    forms = {
        name: FormCost(
            model_flops=flops,
            model_bytes=flops // 8,
            weight_bytes=weights,
            constant_bytes=constants,
            **zero,
        )
        for name, flops, weights, constants in (
            ("original", 10**10, 3 * 2**20, 2**20),
            ("specialized", 8 * 10**9, 2 * 2**20, 5 * 2**20),
        )
    }
    costs = FormsReport(forms=forms, attention_share={"original": 0.0})
    text = to_text(_costs(costs, "detector"))
    line = (
        "2 G FLOPs and 238.4 MiB of traffic per frame are removed; "
        "4.0 MiB of constants are added, 1.0 MiB of weights are removed"
    )
    assert exchanged(costs) == line
    assert line in text.replace("\n", " ")
    assert "pairs" not in text and "cross-attention" not in text
    assert exchanged(FormsReport()) == ""


def test_a_build_without_sites_says_why() -> None:
    """What the compiler declined to do is shown with its reason."""
    note = PassNote(name="compact", applied=False, where="pool", reason="working on 9 of 10 rows costs more")
    made = msgspec.structs.replace(manifest(), sites=(), flops=FormsReport(), passes=(note,))
    text = to_text(build_text(BuildOutcome(build_dir=Path("b"), up_to_date=True, manifest=made)))
    assert "pool: working on 9 of 10 rows costs more" in text


def test_points_that_an_operator_leaves_out_are_told_once() -> None:
    """If the target's pooling operator leaves points out, this is printed instead of the compiler's declined note."""
    declined = PassNote(
        name="compact", applied=False, where="pool", reason="working on 9 of 10 rows costs more"
    )
    applied = PassNote(name="lower_pool", applied=True, where="pool", reason="9 of 10 points pooled")
    made = msgspec.structs.replace(manifest(), sites=(), flops=FormsReport(), passes=(declined, applied))
    text = to_text(build_text(BuildOutcome(build_dir=Path("b"), up_to_date=True, manifest=made)))
    assert "pool: 9 of 10 points pooled" in text
    assert "costs more" not in text


def test_pooled_points_are_no_pairs() -> None:
    """Points that are pooled are not counted as camera-query pairs, and stand in no table of cameras."""
    pool = Site(
        kind="pooled",
        queries=40,
        cameras=(SiteCamera(name="group 0", visible=300),),
        longest=300,
        pairs=300,
        rows_computed=300,
    )
    (seen,) = manifest().sites
    assert headline((pool,)) == "300 rows are pooled into 40; no other is computed"
    assert headline((seen, pool)).splitlines() == [headline((seen,)), headline((pool,))]
    assert sites_tables((pool,)) == []
    assert [len(body.columns) for body in sites_tables((seen, pool))] == [3]


def test_a_failed_proof_is_loud() -> None:
    """A report that did not pass, or none at all, never reads as verified."""
    assert "FAILED" in proof(msgspec.structs.replace(manifest().verify, passed=False))
    assert proof(NOT_COMPARED) == "not verified"


def test_costs_read_as_agreed() -> None:
    """The table of costs says what is not counted and how small the attention's share is."""
    check_golden("flops.txt", to_text(_costs(manifest().flops, "bevformer_tiny for car42.yaml")))


def test_a_verification_reads_as_agreed() -> None:
    """A report that passed, and the same report failed."""
    report = manifest().verify
    output = msgspec.structs.replace(
        report.outputs["bev_embed"], passed=False, reason="3 of 10 values beyond their bound"
    )
    failed = msgspec.structs.replace(
        report, passed=False, outputs={"bev_embed": output}, notes=("few frames",)
    )
    both = to_text(verify_text(report, "build/car42")) + "\n" + to_text(verify_text(failed, "build/car42"))
    check_golden("verify.txt", both)


def test_infinite_differences_can_be_shown() -> None:
    """A difference that JSON cannot represent as a number is still shown."""
    report = manifest().verify
    output = msgspec.structs.replace(
        report.outputs["bev_embed"], max_abs=Figure("inf"), max_rel=Figure("nan")
    )
    text = to_text(verify_text(msgspec.structs.replace(report, outputs={"bev_embed": output}), "b"))
    assert "inf" in text and "nan" in text


def test_long_lines_are_not_broken() -> None:
    """A path or command longer than the terminal stays on one line, to be copied."""
    line = "next: " + "x" * 300
    assert line in to_text(("head", line), width=80)


def test_text_is_not_markup() -> None:
    """Brackets in names are printed as they are."""
    text = to_text(("[red]y[/red]", table("name", rows=[("[bold]x[/bold]",)])))
    assert "[bold]x[/bold]" in text and "[red]y[/red]" in text


def test_json_must_name_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """A result without a schema, or with a number that JSON lacks, is not printed."""
    with pytest.raises(AssertionError, match="schema"):
        print_json({"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        print_json({"schema": "x@1", "a": float("nan")})
    assert capsys.readouterr().out == ""
