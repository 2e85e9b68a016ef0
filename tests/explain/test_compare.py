"""Models are compared on vehicles with the figures that builds have."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from specialize.artifact.manifest import Site
from specialize.cli.output import to_text
from specialize.cli.render_compare import compare_markdown, compare_text
from specialize.compiler.build import build
from specialize.evidence.costs import FormCost, FormsReport
from specialize.explain.bench import Timing
from specialize.explain.compare import Comparison, compare
from specialize.request import BuildRequest
from specialize.text.progress import quiet
from specialize.text.record import to_json
from tests.cli.running import CAR42, CAR43, run_here
from tests.end_to_end.tiny_model import GRID, write_tiny
from tests.golden_files import check_golden
from tools import model_table


def test_a_comparison_has_the_figures_of_a_build(tmp_path: Path, store_dir: Path) -> None:
    """Every model on every vehicle, sites and costs as the manifest of a build has them."""
    model = str(write_tiny(tmp_path / "model"))
    first, second = compare([model], [CAR42, CAR43], None, print)
    assert (first.vehicle, second.vehicle, first.bench) == ("car42", "car43", None)
    made = build(BuildRequest(calib=CAR42, model=model, output=tmp_path / "build")).manifest
    assert first.sites == made.sites
    assert first.flops == made.flops


def test_the_original_is_counted_as_it_was_written(tmp_path: Path, store_dir: Path) -> None:
    """A file that computes the same twice costs twice as much, its sites included; what is built computes it once."""
    once, twice = write_tiny(tmp_path / "once"), write_tiny(tmp_path / "twice")
    again = onnx.compose.add_prefix(onnx.load(once), "again_", rename_inputs=False)
    model = onnx.load(twice)
    for ours, theirs in zip(
        *((m.graph.node, m.graph.initializer, m.graph.output) for m in (model, again)), strict=True
    ):
        ours.extend(theirs)
    onnx.save(model, twice)
    (one,), (two,) = (compare([str(path)], [CAR42], None, quiet) for path in (once, twice))
    first, second = one.flops.forms["original"], two.flops.forms["original"]
    for quantity in (
        "model_flops",
        "model_bytes",
        "model_predicted_ns",
        "attention_flops",
        "attention_bytes",
        "attention_samples",
        "attention_predicted_ns",
        "per_row_flops",
    ):
        assert getattr(second, quantity) == pytest.approx(2 * getattr(first, quantity), abs=1), quantity
    built, again_built = one.flops.forms["specialized"], two.flops.forms["specialized"]
    assert (again_built.pairs, again_built.model_flops) == (built.pairs, built.model_flops)


def test_a_comparison_can_be_measured(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --time there are ratios of the largest site, as numbers and in the Markdown table."""
    model = write_tiny(tmp_path / "model")
    (row,) = compare([str(model)], [CAR42], Timing(rounds=1, threads=1), quiet)
    assert row.bench is not None
    assert row.bench.rows["original"] == 6 * GRID.queries
    assert row.time_ratio == row.bench.parts["site"].ratios["specialized"].median
    ran = run_here(capsys, "compare", "--calib", CAR42, "--model", model, "--markdown")
    heads, rules, cells, *_ = ran.out.splitlines()
    assert heads.count("|") == rules.count("|") == cells.count("|")
    assert cells.startswith(f"| tiny | car42 | {GRID.queries} |")


def _form(number: int) -> FormCost:
    zero = dict.fromkeys(
        ("per_row_flops", "attention_bytes", "model_bytes", "attention_samples", "peak_bytes"), 0
    )
    return FormCost(pairs=6 * number, attention_flops=10**9 * number, model_flops=10**11 + number, **zero)


def _row(model: str, sites: tuple[int, ...], **more: float) -> Comparison:
    numbers = {"original": 15, "rebatched": 4, "specialized": 3}
    found = tuple(
        Site(queries=n, cameras=(), longest=n // 4, pairs=n + n // 8, rows_computed=n) for n in sites
    )
    costs = FormsReport(forms={name: _form(number) for name, number in numbers.items()})
    return Comparison(model=model, vehicle="car42", sites=found, flops=costs, **more)


def test_a_comparison_reads_as_agreed() -> None:
    """Models with one site, with several, and without any stand in one table that fits a window."""
    rows = [
        _row("bevformer_tiny", (2500, 2500), time_ratio=4.44, memory_ratio=14.1),
        _row("surroundocc", (80000, 10000, 1250), time_ratio=3.9, memory_ratio=5.0),
        _row("streampetr", ()),
    ]
    text = to_text(compare_text(rows))
    assert max(len(line) for line in text.splitlines()) <= 120
    check_golden("compare.txt", text)
    assert "80,000 + 10,000 + 1,250" in str(compare_markdown(rows))
    rows.append(_row("bevformer_base", (40000,)))
    *_, streampetr, base = [line for line in str(compare_markdown(rows)).splitlines() if line.startswith("|")]
    assert streampetr.endswith("| - | - |"), "there is no site to measure"
    assert base.endswith("| not measured | not measured |")


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    """Rows that are there are not measured again; what stands around the marks stays; without marks it is an error."""
    folder, document = tmp_path / "rows", tmp_path / "page.md"
    folder.mkdir()
    for model in ("bevformer_tiny", "streampetr"):
        found = {"schema": "x", "rows": [to_json(_row(model, (2500,) if model == "bevformer_tiny" else ()))]}
        (folder / f"{model}.car42.json").write_text(json.dumps(found))
    document.write_text(f"before\n{model_table.BEGIN}old\n{model_table.END}after\n")
    given = ["bevformer_tiny", "streampetr", "--calib", str(CAR42), "--folder", str(folder)]
    for _ in range(2):
        assert model_table.main([*given, "--write", str(document)]) == 0
        text = document.read_text()
    assert text.startswith(f"before\n{model_table.BEGIN}\n| model |")
    assert text.endswith(f"\n{model_table.END}after\n")
    assert "old" not in text
    assert text.count("| bevformer_tiny | car42 | 2,500 |") == 1
    with pytest.raises(ValueError, match="end of the table"):
        model_table.written_into("no marks", "table")
