"""A build measures itself once, beside the build: not one of its bytes depends on that."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.artifact import read_manifest
from specialize.artifact.measured import Measured, measured_path
from specialize.bench import Subject
from specialize.compiler import measure
from specialize.errors import InputError
from specialize.graph.io import read_graph
from specialize.graph.nodes import array_of
from tests.cli.running import CAR42, Ran, run_here
from tests.end_to_end.tiny_model import write_tiny
from tests.graphs import GraphMaker


@pytest.fixture
def model(tmp_path: Path, store_dir: Path) -> Path:
    """Return a model with one site."""
    return write_tiny(tmp_path / "model")


def run(capsys: pytest.CaptureFixture[str], model: Path, folder: Path, *more: str) -> Ran:
    """Build."""
    return run_here(capsys, "build", "--calib", CAR42, "--model", model, "-o", folder, *more)


def test_a_build_that_measures_is_the_same_build(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file is the same byte for byte; what was measured lies beside it and names it."""
    data = json.loads(run(capsys, model, tmp_path / "with", "--measure", "--json").out)
    assert run(capsys, model, tmp_path / "without", "--no-measure").code == 0
    for path in (tmp_path / "with").iterdir():
        assert path.read_bytes() == (tmp_path / "without" / path.name).read_bytes(), path.name
    assert not measured_path(tmp_path / "without").exists()
    assert json.loads(measured_path(tmp_path / "with").read_text()) == data["measured"]
    measured = data["measured"]
    assert measured["build"] == read_manifest(tmp_path / "with").digest
    assert [part["part"] for part in measured["parts"]] == ["sites", "model"]
    assert measured["not_measured"] == [] and measured["threads"] == 1
    for part in measured["parts"]:
        assert all(part[form]["peak_bytes"] > 0 for form in ("original", "specialized"))
    again = json.loads(run(capsys, model, tmp_path / "with", "--measure", "--json").out)
    assert again["up_to_date"] and again["measured"] == measured


def test_an_original_with_its_weights_beside_it_is_written_with_them(tmp_path: Path) -> None:
    """It is measured in another folder than that of the weights."""
    g = GraphMaker()
    weights = np.eye(64, dtype=np.float32)
    proto = g.model(y=g.op("MatMul", g.input("x", (1, 64)), g.const(weights)))
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there, here):
        folder.mkdir()
    onnx.save_model(proto, there / "model.onnx", save_as_external_data=True, location="model.weights")
    form = measure.write_original(there / "model.onnx", here, {}, ())
    constants = read_graph(form.path).graph.initializers.values()
    assert any(np.array_equal(array_of(value), weights) for value in constants)


def test_measured_figures_stand_in_the_text_and_in_a_report_beside(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report in the build stays as it was signed; the one beside it shows the figures, with how they were made."""
    ran = run(capsys, model, tmp_path / "car42", "--measure")
    assert "measured here, once" in ran.out and "`specialize bench` repeats it" in ran.out
    assert "Measured here, once" not in (tmp_path / "car42" / "report.html").read_text()
    assert run_here(capsys, "report", tmp_path / "car42").code == 0
    page = (tmp_path / "car42.report.html").read_text()
    assert "Measured here, once" in page and "1 thread" in page


def test_what_cannot_be_measured_is_said_and_the_build_is_made(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that does not open in a process of its own costs a line, not the build."""

    def fail(_: dict[str, Subject]) -> None:
        raise InputError("form 'original'", "a model that opens and runs", "out of memory", "a hint")

    monkeypatch.setattr(measure, "run_once", fail)
    ran = run(capsys, model, tmp_path / "car42", "--measure")
    assert ran.code == 0
    assert "not measured: model: form 'original': expected a model that opens and runs" in ran.out


def test_a_contradiction_is_a_warning(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on stderr, in the text and in the file."""
    line = "contradiction: sites: one, other"
    monkeypatch.setattr(measure, "contradiction", lambda forms, part, ratio: line if part == "sites" else "")
    ran = run(capsys, model, tmp_path / "car42", "--measure")
    assert line in ran.err and line in ran.out
    found = json.loads(measured_path(tmp_path / "car42").read_text())
    assert found["contradictions"] == [line]
    assert Measured.__struct_fields__ == tuple(found)
