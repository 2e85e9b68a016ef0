"""A build without a camera equals its original without it, and says so wherever it is looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from specialize.artifact import Build
from specialize.binding.witnessed import build as witnessed
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, without
from tests.cli.running import CAR42, run_here
from tests.end_to_end.tiny_model import SPEC, write_tiny

OFF = "CAM_BACK"


class Place:
    """A folder with the tiny model, its builds, and the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Write the model."""
        self.folder, self.capsys, self.model = folder, capsys, write_tiny(folder / "model")

    def run(self, *words: str | Path, code: int = 0) -> str:
        """Run a command in this process; return what it prints, or its error."""
        ran = run_here(self.capsys, *words)
        assert ran.code == code, ran.err
        return ran.out if code in (0, 3) else ran.err

    def build(self, name: str, *words: str | Path, code: int = 0) -> str:
        """Build the tiny model for car42."""
        arguments = ("--model", self.model, "--frames", "1", "--no-measure", "-o", self.folder / name)
        return self.run("build", "--calib", CAR42, *arguments, *words, code=code)


@pytest.fixture
def place(tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """Return an empty place with a store of its own."""
    return Place(tmp_path, capsys)


def outputs(model: Path, **more: np.ndarray) -> np.ndarray:
    """Return what a model computes from the same frame."""
    random = np.random.default_rng(1)
    session = onnxruntime.InferenceSession(model)
    feeds = {
        each.name: random.standard_normal(each.shape).astype(np.float32)
        for each in session.get_inputs()
        if each.name not in more
    }
    bev: np.ndarray = session.run(None, {**feeds, **more})[0]
    return bev


def test_it_equals_the_original_with_that_calibration(place: Place) -> None:
    """And not the original with the whole one; nothing of the camera is computed."""
    place.build("degraded", "--without", OFF)
    found = Build.intact(place.folder / "degraded")
    whole = load_profile(CAR42)
    degraded = without(whole, (OFF,))
    assert found.manifest.digests.profile == degraded.digest
    assert cameras_off(found.calibration()) == (OFF,)
    assert {camera.name: camera.visible for camera in found.manifest.sites[0].cameras}[OFF] == 0
    assert any("camera-off" in warning for warning in found.manifest.warnings)
    assert [each.name for each in found.manifest.plausibility.cameras].count(OFF) == 0
    made = outputs(found.model)
    wanted, other = (
        outputs(place.model, **{name: array[None].astype(np.float32) for name, array in each.items()})
        for each in (SPEC.calibration_arrays(degraded), SPEC.calibration_arrays(whole))
    )
    assert np.abs(made - wanted).max() < 1e-5
    assert np.abs(made - other).max() > 0.1


def test_the_whole_profile_is_stale_and_both_ways_on_are_named(place: Place) -> None:
    """Still off: check again without it; on again: build the whole vehicle beside it."""
    place.build("degraded", "--without", OFF)
    words = ("check", place.folder / "degraded", "--calib", CAR42)
    told = place.run(*words, code=3)
    assert f"switched on: {OFF}" in told
    assert "if it is still off: specialize check" in told
    assert "degraded" not in told.partition("next: ")[2], "the degraded build is not overwritten"
    assert json.loads(place.run(*words, "--json", code=3))["switched_on"] == [OFF]
    assert place.run(*words, "--without", OFF).startswith("fresh")


def test_one_engine_serves_the_degraded_vehicle(place: Place) -> None:
    """Its table gives what the original computes without the camera."""
    place.build("engine", "--mode", "tables")
    output = place.folder / "table.safetensors"
    told = place.run("check", place.folder / "engine", "--calib", CAR42, "--without", OFF, code=3)
    assert f"switched off: {OFF}" in told
    assert f"--without {OFF} --for" in told
    place.run("table", "--calib", CAR42, "--without", OFF, "--for", place.folder / "engine", "-o", output)
    assert output.stat().st_size > 0


@pytest.mark.parametrize("mode", [("envelope", "--tolerance", "rotation=0.5deg"), ("tables",)])
def test_other_modes_build_without_a_camera(place: Place, mode: tuple[str, ...]) -> None:
    """An envelope around nothing is nothing; the tables of no rows are empty."""
    place.build("degraded", "--without", OFF, "--mode", *mode)
    assert not place.run("check", place.folder / "degraded", "--calib", CAR42, "--without", OFF).startswith(
        "stale"
    )


def test_a_witness_that_sees_the_whole_vehicle_disagrees(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof notices a camera that was taken off on one side alone."""
    monkeypatch.setattr(witnessed, "rig_without", lambda rig, names: rig)
    assert "witness" in place.build("degraded", "--without", OFF, code=4)


def test_a_model_that_attends_to_everything_is_refused(place: Place) -> None:
    """Without grid and frustum a camera's image counts whatever its pose is."""
    sidecar = place.model.with_suffix(".model.yaml")
    text = sidecar.read_text()
    sidecar.write_text(text.partition("grids:")[0])
    assert "off-but-used" in place.build("degraded", "--without", OFF, code=1)


@pytest.mark.torch
@pytest.mark.parametrize("form", ["rebatched", "looped"])
def test_a_rebatched_export_is_refused_with_the_reason(place: Place, form: str) -> None:
    """Its own graph cannot reshape the rows of a camera that sees nothing."""
    from tests.synthetic.matrix import CASES, exported
    from tests.synthetic.styles import TURN_RAD
    from tests.synthetic.vehicles import spec_of, vehicle

    style = CASES[form].style
    model, calib = place.folder / "rebatched.onnx", place.folder / "ring.yaml"
    model.write_bytes(exported(CASES[form]).SerializeToString())
    model.with_suffix(".model.yaml").write_text(spec_of(style).to_text())
    calib.write_text(dump_profile(vehicle(style, TURN_RAD)))
    words = ("build", "--calib", calib, "--model", model, "--without", "camera1", "--no-measure")
    error = place.run(*words, "-o", place.folder / "b", code=1)
    assert "without camera1: expected a graph that runs if a camera sees nothing" in error
    assert "zero-padded" in error
