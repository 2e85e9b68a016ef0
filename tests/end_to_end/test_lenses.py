"""Models that project through lenses, end to end: every mode, rigs that mix lenses, and what must be noticed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.calibration.lens.sphere import Mei
from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.passes.bind import feeds_of
from specialize.vehicle.guard import Guard
from specialize.vehicle.packing import pack
from tests.cli.running import Ran, run_here
from tests.end_to_end.lens_model import CAMERAS, Rule, spec, write_lens_model
from tests.end_to_end.tiny_model import CHANNELS, COLUMNS, GRID, ROWS

PROFILES = resource_dir("calib_profiles")
FISHEYE4, KITTI360 = PROFILES / "fisheye4.yaml", PROFILES / "kitti360_like.yaml"
Build_ = Callable[..., Ran]
TOLERANCE = "rotation=1deg,translation=3cm,focal=0.5%,principal_point=2px"


@pytest.fixture
def build(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Build_:
    """Return what builds the model by a rule for a rig, with a store of its own."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))

    def made(rule: Rule, calib: Path, *more: str, name: str = "build") -> Ran:
        model = write_lens_model(tmp_path, rule)
        return run_here(
            capsys, "build", "--calib", calib, "--model", model, "--frames", "1", "-o", tmp_path / name, *more
        )

    return made


def changed(folder: Path, calib: Path, pattern: str, text: str) -> Path:
    """Return a copy of a profile with one place changed."""
    folder.mkdir(exist_ok=True)
    path = folder / f"changed-{calib.name}"
    words, count = re.subn(pattern, text, calib.read_text(), count=1)
    assert count == 1
    path.write_text(words)
    return path


def outputs(model: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a model computes of features and queries that are always the same."""
    dice = np.random.default_rng(5)
    query = dice.standard_normal((1, GRID.queries, CHANNELS), np.float32)
    features = dice.standard_normal((CAMERAS, CHANNELS, ROWS, COLUMNS), np.float32)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"query": query, "features": features, **feeds})[0])


def original(folder: Path, rule: Rule, calib: Path) -> np.ndarray:
    """Return what the original computes for a rig."""
    import onnx_ir as ir

    path = write_lens_model(folder, rule)
    fed = feeds_of(ir.load(path), spec(rule), load_profile(calib))
    return outputs(path, {name: array.astype(np.float32) for name, array in fed.items()})


@pytest.mark.parametrize("rule", ["angle", "formula"])
@pytest.mark.parametrize("calib", [FISHEYE4, KITTI360], ids=lambda path: path.stem)
def test_a_model_with_lenses_is_built_exactly(rule: Rule, calib: Path, build: Build_, tmp_path: Path) -> None:
    """Pinholes and fisheyes in one rig: the witness sees the same pairs by its own optics, and outputs are equal."""
    ran = build(rule, calib, "--json")
    assert ran.code == 0, ran.err
    manifest = json.loads((tmp_path / "build" / "manifest.json").read_text())
    (grid,) = manifest["witness"]["grids"]
    assert grid["pairs"] > 60 and grid["differing"] == 0
    assert {entry["name"] for entry in manifest["witness"]["inputs"]} == {"lidar2cam", "K", "D"}
    found = outputs(tmp_path / "build" / "model.onnx", {})
    np.testing.assert_allclose(found, original(tmp_path, rule, calib), rtol=0, atol=1e-5)


def test_ghosts_are_reproduced_and_told(build: Build_, tmp_path: Path) -> None:
    """A mask of the denominator counts points behind a lens with xi 2.2; the build computes them, and says so."""
    by_formula, by_angle = build("formula", KITTI360), build("angle", KITTI360, name="angle")
    assert by_formula.code == by_angle.code == 0
    assert re.search(
        r"lens-fold: image_02, image_03; of image_02: \d\d % of the points .* limit of 117 degrees",
        by_formula.err,
    )
    assert "lens-fold" not in by_angle.err
    pairs = [
        sum(site.pairs for site in Build.intact(tmp_path / name).manifest.sites)
        for name in ("build", "angle")
    ]
    assert pairs[0] > 1.2 * pairs[1]


def test_an_envelope_of_lenses_holds(
    build: Build_, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Moved cameras stay inside, and one engine computes what the original does for them; a knocked one is reported."""
    ran = build("angle", FISHEYE4, "--mode", "envelope", "--tolerance", TOLERANCE)
    assert ran.code == 0, ran.err
    assert re.search(r"no excluded pair comes closer to an image than \d+", ran.out)
    near = changed(tmp_path, FISHEYE4, r"yaw_deg: 91\.3", "yaw_deg: 92.1")
    far = changed(tmp_path / "store", FISHEYE4, r"yaw_deg: 91\.3", "yaw_deg: 109.0")
    assert run_here(capsys, "check", tmp_path / "build", "--calib", near).code == 0
    assert run_here(capsys, "check", tmp_path / "build", "--calib", far).code == 3
    model = tmp_path / "build" / "model.onnx"
    import onnx_ir as ir

    fed = feeds_of(ir.load(model), spec("angle"), load_profile(near))
    names = {value.name for value in ir.load(model).graph.inputs}
    found = outputs(model, {name: array.astype(np.float32) for name, array in fed.items() if name in names})
    np.testing.assert_allclose(found, original(tmp_path, "angle", near), rtol=0, atol=1e-5)


def test_tables_serve_another_rig_of_lenses(
    build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine of one car with the tables of another computes what the original does for that one."""
    ran = build("angle", FISHEYE4, "--mode", "tables")
    assert ran.code == 0, ran.err
    other = changed(tmp_path, FISHEYE4, r"xi: 1\.051", "xi: 1.062")
    table = tmp_path / "other.safetensors"
    made = run_here(capsys, "table", "--for", tmp_path / "build", "--calib", other, "-o", table)
    assert made.code == 0, made.err
    tensors, _ = read_tensors(table)
    found = outputs(tmp_path / "build" / "model.onnx", dict(tensors))
    np.testing.assert_allclose(found, original(tmp_path, "angle", other), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"xi: 1\.051", "xi: 1.0511"),
        (r"k2: 0\.0102", "k2: 0.0103"),
        (r"max_angle_rad: 1\.68", "max_angle_rad: 1.67"),
    ],
)
def test_another_lens_is_another_calibration(
    pattern: str, text: str, build: Build_, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One parameter of one lens makes a build stale, and the difference says that a lens changed."""
    assert build("angle", FISHEYE4).code == 0
    other = changed(tmp_path, FISHEYE4, pattern, text)
    assert run_here(capsys, "check", tmp_path / "build", "--calib", other).code == 3
    told = run_here(capsys, "diff", FISHEYE4, other).out
    assert (
        "another lens or distortion: FISHEYE_" in told
        and "no queries of bevformer_tiny were compared" in told
    )
    compared = json.loads(run_here(capsys, "diff", FISHEYE4, other, "--json").out)
    assert sum(camera["lens_changed"] for camera in compared["cameras"]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"xi: 1.051, k3: 0.05", "k3 0.05, which is not an input"),
        (
            r"xi: 1.051}\n      windshield: {horizontal_poly: [0.0, 1.0, 0.01], vertical_poly: [0.0, 0.0, 1.0]}",
            "a windshield",
        ),
    ],
)
def test_what_the_model_is_not_fed_is_refused(text: str, said: str, build: Build_, tmp_path: Path) -> None:
    """A lens with parameters that no input of the graph takes is rejected."""
    pattern = r"xi: 1\.051[^}]*}" if "windshield" in text else r"xi: 1\.051"
    ran = build("angle", changed(tmp_path / "store", FISHEYE4, pattern, text))
    assert (
        ran.code == 1 and "a lens whose parameters are all inputs of the model" in ran.err and said in ran.err
    )


def test_pixels_are_counted_as_the_graph_does(build: Build_, tmp_path: Path) -> None:
    """Parameters that count pixel centres at halves are converted: the same cameras give the same model."""
    assert build("angle", FISHEYE4).code == 0
    half = tmp_path / "half.yaml"
    text = re.sub(r"(c[xy]: )([\d.]+)", lambda m: f"{m[1]}{float(m[2]) + 0.5}", FISHEYE4.read_text())
    half.write_text(text.replace("      max_angle_rad", "      pixel_centre: 0.5\n      max_angle_rad"))
    assert build("angle", half, name="half").code == 0
    whole, other = (outputs(tmp_path / name / "model.onnx", {}) for name in ("build", "half"))
    np.testing.assert_array_equal(whole, other)


def test_an_envelope_of_what_no_lens_sees(
    build: Build_, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that counts points behind its lenses: its envelope holds the ghosts of moved cameras as well."""
    ran = build("formula", KITTI360, "--mode", "envelope", "--tolerance", TOLERANCE)
    assert ran.code == 0, ran.err
    near = changed(tmp_path, KITTI360, r"yaw_deg: 91\.2", "yaw_deg: 91.9")
    assert run_here(capsys, "check", tmp_path / "build", "--calib", near).code == 0
    model = tmp_path / "build" / "model.onnx"
    import onnx_ir as ir

    fed = feeds_of(ir.load(model), spec("formula"), load_profile(near))
    names = {value.name for value in ir.load(model).graph.inputs}
    found = outputs(model, {name: array.astype(np.float32) for name, array in fed.items() if name in names})
    np.testing.assert_allclose(found, original(tmp_path, "formula", near), rtol=0, atol=1e-5)


def test_an_envelope_of_a_camera_that_sees_all(build: Build_, tmp_path: Path) -> None:
    """Where a camera has no query left to gain, the search for its moves has nothing to do."""
    wide = changed(tmp_path, FISHEYE4, r"fx: 722\.4, fy: 721\.8", "fx: 60.0, fy: 60.0")
    rig = changed(tmp_path / "rig", wide, r"max_angle_rad: 1\.68", "max_angle_rad: 3.0")
    ran = build("angle", rig, "--mode", "envelope", "--tolerance", "rotation=1deg")
    assert ran.code == 0, ran.err


def test_a_lens_that_is_computed_wrongly_is_found(build: Build_, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two implementations that share no code must agree: half a pixel in one of them ends the build."""
    right = Mei.matrix

    def shifted(self: Mei) -> np.ndarray:
        found = right(self)
        found[0, 2] += 0.5
        return found

    monkeypatch.setattr(Mei, "matrix", shifted)
    ran = build("angle", FISHEYE4)
    assert ran.code == 4 and "witness: input 'K'" in ran.err


def test_the_vehicle_compares_lenses(
    build: Build_, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exact build goes to the car: equal lenses and poses are fresh, another of either is stale by its camera."""
    built = build("angle", FISHEYE4)
    assert built.code == 0 and "vehicle export" in built.out
    exported = run_here(capsys, "vehicle", "export", tmp_path / "build", "-o", tmp_path / "car")
    assert exported.code == 0, exported.err
    guard = Guard(tmp_path / "car" / "contract.bin")
    rigs = {
        "same": FISHEYE4,
        "lens": changed(tmp_path, FISHEYE4, r"k1: -0\.0433", "k1: -0.0434"),
        "limit": changed(tmp_path / "limit", FISHEYE4, r"max_angle_rad: 1\.68", "max_angle_rad: 1.67"),
        "pose": changed(tmp_path / "pose", FISHEYE4, r"yaw_deg: 91\.3", "yaw_deg: 91.4"),
    }
    found = {}
    for name, rig in rigs.items():
        today = tmp_path / f"{name}.bin"
        assert run_here(capsys, "vehicle", "pack", "--calib", rig, "-o", today).code == 0
        answer = guard.check_file(today)
        found[name] = answer.state.name, answer.camera
    assert found == {
        "same": ("FRESH", ""),
        "lens": ("STALE", "FISHEYE_REAR"),
        "limit": ("STALE", "FISHEYE_FRONT"),
        "pose": ("STALE", "FISHEYE_LEFT"),
    }


def test_the_vehicle_refuses_tolerances_of_lenses(
    build: Build_, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It measures matrices: an envelope of raw images is not exported, and the build does not offer it."""
    built = build("angle", FISHEYE4, "--mode", "envelope", "--tolerance", TOLERANCE)
    assert built.code == 0 and "vehicle export" not in built.out
    exported = run_here(capsys, "vehicle", "export", tmp_path / "build", "-o", tmp_path / "car")
    assert (
        exported.code == 1
        and "expected a matrix, for mode envelope on the vehicle, got a lens" in exported.err
    )


def test_a_lens_behind_a_matrix_is_seen(tmp_path: Path) -> None:
    """Of undistorted images another lens needs another undistortion: both matrices equal, yet other bytes."""
    text = FISHEYE4.read_text().replace(
        "    sensor2ego:", "    intrinsic: [[400, 0, 640], [0, 400, 480], [0, 0, 1]]\n    sensor2ego:"
    )
    (tmp_path / "flat.yaml").write_text(text)
    flat = load_profile(tmp_path / "flat.yaml")
    other = load_profile(changed(tmp_path, tmp_path / "flat.yaml", r"xi: 1\.051", "xi: 1.052"))
    packed = [pack(profile) for profile in (flat, other)]
    assert packed[0].cameras.tobytes() == packed[1].cameras.tobytes()
    assert packed[0].lenses is not None and packed[1].lenses is not None
    assert (packed[0].lenses != packed[1].lenses).any(axis=1).tolist() == [False, True, False, False]


def test_raw_images_for_a_model_of_matrices_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile of fisheyes and a model that projects by matrices do not fit."""
    ran = run_here(capsys, "plan", "--calib", FISHEYE4, "--model", "bevformer_tiny", "-o", tmp_path / "p.npz")
    assert ran.code == 1 and "lens-not-in-model" in ran.err
