"""The demo builds with files of the package alone, and keeps what its user changed."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from specialize.explain.demo import FILES, MODEL, PROFILE, demonstrate
from specialize.files.resources import resource_dir
from tests.cli.running import REPOSITORY, modules_of, run_here

LARGEST_MODEL = 1 << 20
"""Bytes: it is in every wheel."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demo."""
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(place / "store"))
        demonstrate(place / "files", measure=False)
    return place / "files"


def test_the_demo_ends_with_commands_that_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run finds the build, warns of its weights, and proposes a check that finds the other car stale."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(folder.parent / "store"))
    ran = run_here(capsys, "demo", "-o", folder, "--no-measure")
    assert ran.code == 0 and "up to date" in ran.out and "NOT trained" in ran.err
    proposed = [
        line.partition("specialize ")[2].split() for line in ran.out.splitlines() if " specialize " in line
    ]
    assert [run_here(capsys, *words).code for words in proposed] == [3, 0]
    found = json.loads(run_here(capsys, "demo", "-o", folder, "--no-measure", "--json").out)
    assert found["verified"] and found["up_to_date"] and Path(found["model"]) == folder / MODEL


def test_a_changed_file_stays(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration that the user changed is the one that is built for."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(folder.parent / "store"))
    text = (folder / PROFILE).read_text().replace("vehicle: car42", "vehicle: mine")
    (tmp_path / PROFILE).write_text(text)
    assert demonstrate(tmp_path, measure=False).outcome.manifest.vehicle == "mine"
    assert (tmp_path / PROFILE).read_text() == text


def test_the_demo_needs_no_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No module of what the extra `zoo` installs is imported."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(folder.parent / "store"))
    made = modules_of("demo", "-o", folder.parent / "fresh", "--no-measure")
    assert "onnxruntime" in made
    assert not {"torch", "onnxscript", "safetensors"} & made


def test_every_file_is_packaged_and_small() -> None:
    """Every file is in the data of the package, and the model says that it is not trained."""
    assert all((resource_dir(source) / name).is_file() for name, source in FILES.items())
    path = REPOSITORY / "demo" / MODEL
    assert path.stat().st_size < LARGEST_MODEL
    told = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert "not trained" in told["specialize.weights"]
