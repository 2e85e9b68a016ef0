"""A build is timed against the other forms of its model, each cut out at the same site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.bench import PARTS, BenchReport, BuildBench, FormTime, Subject
from specialize.cli.output import to_text
from specialize.cli.render_bench import bench_text
from specialize.compiler.build import build
from specialize.errors import InputError
from specialize.explain import bench as timing
from specialize.request import BuildRequest, Mode
from specialize.text.record import to_json
from specialize.verify.runtime import open_model
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import GRID, write_tiny
from tests.golden_files import check_golden


def _build(folder: Path, mode: Mode = "exact", target: str = "onnxruntime") -> Path:
    model = str(write_tiny(folder / "model"))
    tolerance = "rotation=0.3deg" if mode == "envelope" else None
    request = BuildRequest(
        calib=CAR42,
        model=model,
        mode=mode,
        target=target,
        tolerance=tolerance,
        output=folder / "car42",
        frames=1,
    )
    return build(request).build_dir


def test_all_forms_are_timed_and_the_specialized_one_is_the_build(tmp_path: Path, store_dir: Path) -> None:
    """Rows, site and model are timed in all forms, with the rows that the build's manifest names."""
    folder = _build(tmp_path)
    wanted = timing.Timing(rounds=1, threads=1, whole_model=True)
    data = json.loads(json.dumps(to_json(timing.bench_build(folder, wanted, print)), allow_nan=False))
    assert list(data)[:2] == ["schema", "ratios"]
    assert list(data["ratios"]) == list(data["parts"]) == list(PARTS)
    forms = ["original", "rebatched", "specialized"]
    assert all(list(part["forms"]) == forms for part in data["parts"].values())
    (site,) = Build.open(folder).manifest.sites
    rows = {
        "original": 6 * GRID.queries,
        "rebatched": 6 * site.longest,
        "specialized": site.rows_computed,
    }
    assert data["rows"] == rows
    assert all(seconds > 0 for part in data["ratios"].values() for seconds in part.values())


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_site_of_every_form_computes_the_same(tmp_path: Path, store_dir: Path, mode: Mode) -> None:
    """What is cut out of the three forms gives the same result for the same frame, however calibration is bound."""
    made = Build.open(_build(tmp_path, mode))
    results = []

    def keep(part: str, subjects: dict[str, Subject], *_: object) -> BenchReport:
        for subject in subjects.values():
            results.append((part, open_model(subject.path, "onnxruntime", 1).run(subject.feed)))
        return BenchReport.of("none", 1, 0, True, {"none": FormTime((1.0,), 0, 0, {})})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_timed", keep)
        timing.bench_build(made.folder, timing.Timing(whole_model=True), print)
    for part in PARTS:
        dense, *others = ([*found.values()] for name, found in results if name == part)
        assert len(others) == 2
        for other in others:
            for wanted, got in zip(dense, other, strict=True):
                assert np.allclose(wanted, got.reshape(wanted.shape), atol=1e-4)


def test_a_site_that_is_not_there_is_an_error(tmp_path: Path, store_dir: Path) -> None:
    """The error names the numbers that there are."""
    folder = _build(tmp_path)
    with pytest.raises(InputError, match="--site: expected a number from 0 to 0, got 7"):
        timing.bench_build(folder, timing.Timing(site=7), print)


def test_a_form_that_no_runtime_takes_is_an_error(tmp_path: Path, store_dir: Path) -> None:
    """A build in a toolchain's own form is refused with what to time instead."""
    folder = _build(tmp_path, target="horizon_j5")
    with pytest.raises(InputError, match="the form for horizon_j5") as caught:
        timing.bench_build(folder, timing.Timing(rounds=1), print)
    assert "--target onnxruntime" in str(caught.value)


def test_a_damaged_build_is_not_timed(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build whose graph was changed after it was made is refused."""
    folder = _build(tmp_path)
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    ran = run_here(capsys, "bench", folder)
    assert ran.code == 1 and "model.onnx" in ran.err


def test_a_benchmark_reads_as_agreed() -> None:
    """What `bench` shows leads with the ratios, then medians with quartiles, memory, and what limits the site."""
    times = {"original": 0.0612, "rebatched": 0.0189, "specialized": 0.0138}
    forms = {
        name: FormTime((t, t, 1.1 * t), int(70e6 + 1e10 * t), 70_000_000, {"GridSample": 0.4, "Mul": 0.2})
        for name, t in times.items()
    }
    report = BenchReport.of("onnxruntime 1.2.3", 2, 2, True, forms)
    rows = {"original": 15000, "rebatched": 3600, "specialized": 2822}
    found = BuildBench.of("bevformer_tiny", "car42", 0, rows, {"rows": report, "site": report})
    check_golden("bench.txt", to_text(bench_text(found, "build/car42")))
