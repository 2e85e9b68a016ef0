"""Every build has its report and a digest of it, and the report is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from specialize.artifact import Build, write_manifest
from specialize.compiler.build import build
from specialize.report.write import build_report
from specialize.request import BuildRequest
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import write_tiny


@pytest.fixture
def made(tmp_path: Path, store_dir: Path) -> Build:
    """Return a build of the tiny model."""
    request = BuildRequest(calib=CAR42, model=str(write_tiny(tmp_path / "model")), output=tmp_path / "car42")
    outcome = build(request)
    assert "report" in outcome.seconds
    return Build.open(outcome.build_dir)


def test_a_build_has_its_report(made: Build) -> None:
    """The report is a file of the build, and is what the directory alone gives again."""
    assert "report.html" in made.manifest.files
    made.require_intact()
    text = (made.folder / "report.html").read_text(encoding="utf-8")
    assert text == build_report(made.folder)
    assert str(made.folder.parent) not in text
    assert len(text.encode()) < 1_000_000


def test_a_report_that_is_there_is_named(made: Build, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for the report of a new build writes nothing and names the file."""
    ran = run_here(capsys, "report", made.folder)
    assert (ran.code, ran.out) == (0, f"report: {made.folder / 'report.html'}\n")


def test_another_report_goes_beside_the_build(made: Build, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that differs from the one in the build leaves that one as it is."""
    write_manifest(made.folder, msgspec.structs.replace(made.manifest, warnings=("something new",)))
    data = json.loads(run_here(capsys, "report", made.folder, "--json").out)
    beside = made.folder.parent / "car42.report.html"
    assert data["report"] == str(beside) and "something new" in beside.read_text(encoding="utf-8")
    made.require_intact()


def test_a_report_can_have_times(made: Build, capsys: pytest.CaptureFixture[str]) -> None:
    """With --bench the forms are timed and the report shows it; the build stays whole."""
    output = made.folder.parent / "times.html"
    ran = run_here(capsys, "report", made.folder, "--bench", "--rounds", "1", "-o", output)
    assert ran.code == 0, ran.err
    text = output.read_text(encoding="utf-8")
    assert "Measured times" in text and "time of one run, ms" in text and "1 round, forms in turn" in text
    made.require_intact()
