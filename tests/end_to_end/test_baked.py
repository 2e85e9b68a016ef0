"""Lenses baked into models of matrices, end to end: another function, named so, with an oracle of its own."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.lens import lens_of
from specialize.calibration.lens.kinds import matrix_parameters
from specialize.calibration.lens.sphere import Mei
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.model import projected as projecting
from specialize.passes import cut_projection
from tests.cli.running import Ran, run_here
from tests.end_to_end.raw_model import SPEC, write_raw_model
from tests.end_to_end.test_lenses import FISHEYE4, KITTI360, changed, original, outputs
from tests.end_to_end.tiny_model import GRID

Bake = Callable[..., Ran]


@pytest.fixture
def bake(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bake:
    """Return what builds the model with the lenses of a rig, with a store of its own."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))

    def made(calib: Path, *more: str, name: str = "build", by_query: bool = False) -> Ran:
        model = write_raw_model(tmp_path, by_query=by_query)
        words = ("--calib", calib, "--model", model, "--bake-lenses", "--frames", "1", "-o", tmp_path / name)
        return run_here(capsys, "build", *words, *more)

    return made


def settled(calib: Path) -> np.ndarray:
    """Return (Q,) for which queries every camera that sees one sees its first point, which is sampled."""
    spec = projecting_spec()
    points = projecting.projected(
        spec.rig(load_profile(calib)), GRID.points(), spec.sizes_px(4), through_lenses=True
    )
    depth = points[..., 2]
    inside = (depth > 0) & ((points[..., :2] > 0) & (points[..., :2] < depth[..., None] * 704)).all(axis=-1)
    return np.asarray((~inside.any(axis=2) | (depth[..., 0] > 0)).all(axis=0))


def projecting_spec():
    """Return the sidecar of the model with lenses."""
    from specialize.model.baked import with_lenses

    return with_lenses(SPEC)


@pytest.mark.parametrize("by_query", [False, True])
@pytest.mark.parametrize("calib", [FISHEYE4, KITTI360], ids=lambda path: path.stem)
def test_baked_lenses_compute_what_lenses_in_the_graph_do(
    calib: Path, by_query: bool, bake: Bake, tmp_path: Path
) -> None:
    """A model whose graph has the formula is the oracle: the same weights, the same rig, the same outputs."""
    ran = bake(calib, by_query=by_query)
    assert ran.code == 0, ran.err
    found, wanted = outputs(tmp_path / "build" / "model.onnx", {}), original(tmp_path, "angle", calib)
    sure = settled(calib)
    assert sure.mean() > 0.9
    np.testing.assert_allclose(found[sure], wanted[sure], rtol=0, atol=1e-5)


def test_a_baked_build_never_calls_itself_equal_to_the_model(
    bake: Bake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Output, manifest, page, verification and statements all say that it is another function."""
    ran = bake(KITTI360)
    build = tmp_path / "build"
    assert "raw+lenses for kitti360_like" in ran.out and "baked: another function than raw" in ran.out
    assert "baked: another function than raw" in ran.err
    manifest = Build.intact(build).manifest
    baked = manifest.baked
    assert baked is not None and baked.cut is not None and baked.cut.noticed
    assert baked.model == "raw" and baked.digest != manifest.digests.model and manifest.key["bake_lenses"]
    assert [camera.lens for camera in baked.cameras] == ["pinhole", "pinhole", "mei", "mei"]
    assert [camera.farthest_px for camera in baked.cameras[:2]] == [0.0, 0.0]
    assert sum(camera.gained for camera in baked.cameras[2:]) > 0
    page = (build / "report.html").read_text()
    assert "Baked: another function than raw" in page and "equal to the original" not in page
    shown = run_here(capsys, "inspect", build)
    assert "baked: another function than raw" in shown.out
    verified = run_here(capsys, "verify", build, "--frames", "1")
    assert verified.code == 0 and "baked: another function than raw" in verified.out
    attested = run_here(capsys, "attest", build, "-o", tmp_path / "said")
    assert attested.code == 0, attested.err
    result = json.loads((tmp_path / "said" / "test-result.intoto.json").read_text())["predicate"]
    assert result["result"] == "WARNED" and "comparison with the original" not in result["passedTests"]
    assert "baked lenses: another function than raw" in result["warnedTests"]
    provenance = (tmp_path / "said" / "provenance.intoto.json").read_text()
    assert '"bake_lenses": true' in provenance and baked.digest in provenance


def test_straight_lenses_change_nothing(bake: Bake, tmp_path: Path) -> None:
    """Where every lens is the pinhole of the matrix, the build equals the user's model."""
    rig = load_profile(FISHEYE4)
    straight = tmp_path / "straight.yaml"
    straight.write_text(dump_profile(dataclasses.replace(rig, cameras=tuple(map(_straight, rig.cameras)))))
    ran = bake(straight)
    assert ran.code == 0, ran.err
    fed = SPEC.calibration_arrays(load_profile(straight))["lidar2img"][None].astype(np.float32)
    wanted = outputs(tmp_path / "raw.onnx", {"lidar2img": fed})
    np.testing.assert_allclose(outputs(tmp_path / "build" / "model.onnx", {}), wanted, rtol=0, atol=1e-5)
    baked = Build.intact(tmp_path / "build").manifest.baked
    assert baked is not None
    assert [(each.gained, each.lost, each.farthest_px) for each in baked.cameras] == [(0, 0, 0.0)] * 4


def _straight(camera: Camera) -> Camera:
    assert camera.intrinsic is not None and camera.camera_from_lidar is not None
    lens = lens_of("pinhole", matrix_parameters(camera.intrinsic))
    return Camera.through(camera.name, (camera.width_px, camera.height_px), lens, camera.camera_from_lidar)


def test_tables_of_baked_lenses_serve_another_rig(
    bake: Bake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine of one car with the tables of another computes what that one's own build does."""
    assert bake(FISHEYE4, "--mode", "tables").code == 0
    other = changed(tmp_path, FISHEYE4, r"xi: 1\.051", "xi: 1.062")
    table = tmp_path / "other.safetensors"
    made = run_here(capsys, "table", "--for", tmp_path / "build", "--calib", other, "-o", table)
    assert made.code == 0, made.err
    assert bake(other, name="alone").code == 0
    tensors, _ = read_tensors(table)
    found = outputs(tmp_path / "build" / "model.onnx", dict(tensors))
    np.testing.assert_allclose(found, outputs(tmp_path / "alone" / "model.onnx", {}), rtol=0, atol=1e-5)


def test_another_lens_is_stale(bake: Bake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check and diff compare the projections of lenses, and the command that builds again bakes again."""
    assert bake(FISHEYE4).code == 0
    build, other = tmp_path / "build", changed(tmp_path, FISHEYE4, r"yaw_deg: 91\.3", "yaw_deg: 109.0")
    assert run_here(capsys, "check", build, "--calib", FISHEYE4).code == 0
    stale = run_here(capsys, "check", build, "--calib", other)
    assert stale.code == 3 and "--bake-lenses" in stale.out
    model = tmp_path / "raw.onnx"
    told = run_here(capsys, "diff", FISHEYE4, other, "--model", model, "--bake-lenses", "--json")
    assert told.code == 3 and json.loads(told.out)["verdict"] == "other queries"
    planned = run_here(
        capsys, "plan", "--calib", FISHEYE4, "--model", model, "--bake-lenses", "-o", tmp_path / "p.npz"
    )
    assert planned.code == 0, planned.err
    sites = Build.intact(build).manifest.sites
    assert f"{sites[0].pairs:,} of" in planned.out
    exported = run_here(capsys, "vehicle", "export", build, "-o", tmp_path / "car")
    assert exported.code == 0, exported.err


@pytest.mark.parametrize(
    ("calib", "more", "said"),
    [
        (FISHEYE4, ("--mode", "envelope", "--tolerance", "rotation=1deg"), "expected --mode exact or tables"),
        ("straight", (), "expected a profile with a `lens` and no `intrinsic`"),
        (FISHEYE4, ("--model", "bevformer_tiny_mei"), "expected a model that projects by matrices"),
        (FISHEYE4, ("--model", "streampetr"), "expected a model whose sidecar names its grids"),
    ],
)
def test_what_cannot_be_baked_is_refused(
    calib: Path | str, more: tuple[str, ...], said: str, bake: Bake, tmp_path: Path
) -> None:
    """An envelope, a rig without lenses, a model with lenses of its own, and one without grids."""
    if calib == "straight":
        text = re.sub(
            r"    lens:\n      model.*\n.*\n.*\n",
            "    intrinsic: [[400, 0, 640], [0, 400, 480], [0, 0, 1]]\n",
            FISHEYE4.read_text(),
        )
        calib = tmp_path / "straight.yaml"
        calib.write_text(text)
    ran = bake(calib, *more)
    assert ran.code == 2 and said in ran.err


@pytest.mark.parametrize(
    ("extra", "said"),
    [("depth", "the model uses the depth of a point"), ("matrix", "also read by ReduceMean")],
)
def test_models_that_use_more_than_pixels_are_declined(
    extra: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lens has a pixel for a point and nothing else: what reads depths or matrices cannot be given any."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "store"))
    model = write_raw_model(tmp_path, extra)
    ran = run_here(
        capsys, "build", "--calib", FISHEYE4, "--model", model, "--bake-lenses", "-o", tmp_path / "build"
    )
    assert ran.code == 1 and said in ran.err and not (tmp_path / "build").exists()


def _wrong_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler's lens have another k1 than the profile's."""
    right = Mei.formula

    def formula(self: Mei, *point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        other = copy.copy(self)
        other.parameters = MappingProxyType({**self.parameters, "k1": self.parameters["k1"] * 1.001})
        return right(other, *point)

    monkeypatch.setattr(Mei, "formula", formula)


def _moved_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler take the second camera to be a tenth of a millimetre away."""
    from specialize.model.kinds import Rig

    right = Rig.camera_from_lidar

    def moved(self: Rig) -> np.ndarray:
        poses = right(self).copy()
        poses[1, 0, 3] += 1e-4
        return poses

    monkeypatch.setattr(Rig, "camera_from_lidar", moved)


def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler take the formula's pixel for points that the lens cannot see."""
    right = projecting.projected

    def anywhere(rig, points, sizes_px, through_lenses):
        found = right(rig, points, sizes_px, through_lenses)
        beyond = found[..., 2] < 0
        for index in range(len(found)) if through_lenses else ():
            lens, pose = rig.lenses(prepared=True)[index], rig.camera_from_lidar()[index]
            inside = points @ pose[:3, :3].T + pose[:3, 3]
            pixels = np.stack(lens.formula(*np.moveaxis(inside, -1, 0)), axis=-1)
            found[index, ..., :2] = np.where(beyond[index][..., None], pixels, found[index, ..., :2])
            found[index, ..., 2] = np.where(beyond[index], 1.0, found[index, ..., 2])
        return found

    import specialize.model.spec as reading

    monkeypatch.setattr(reading, "projected", anywhere)


def _dropped_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler lose one visible point."""
    right = projecting.projected

    def dropped(rig, points, sizes_px, through_lenses):
        found = right(rig, points, sizes_px, through_lenses)
        if through_lenses:
            camera, query, anchor = np.argwhere(found[..., 2] > 0)[100]
            found[camera, query, anchor, 2] = -1.0
        return found

    import specialize.model.spec as reading

    monkeypatch.setattr(reading, "projected", dropped)


@pytest.mark.parametrize("fault", [_wrong_parameter, _moved_camera, _no_limit, _dropped_point])
def test_the_oracle_of_projections_notices(
    fault: Callable[[pytest.MonkeyPatch], None], bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness projects with optics of its own: a wrong lens, a moved camera and lost points end the build."""
    fault(monkeypatch)
    ran = bake(FISHEYE4)
    assert ran.code == 4 and "witness" in ran.err, ran.err
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("where", ["axes", "rest"])
def test_a_wrong_cut_ends_the_build(where: str, bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points in another order than the graph's do not fit its mask; a graph that was changed elsewhere is not equal."""
    right = cut_projection.cut_projection

    def wrong(model, calibration, trials):
        cuts = right(model, calibration, trials)
        if where == "axes":
            return [
                dataclasses.replace(cut, axes=cut.axes.replace("q", "x").replace("d", "q").replace("x", "d"))
                for cut in cuts
            ]
        (limit,) = [
            value for value in model.graph.initializers.values()
            if value.const_value is not None and value.const_value.numpy().size == 1
            and float(value.const_value.numpy().item()) == 704.0
        ][:1]  # fmt: skip
        import onnx_ir as ir

        limit.const_value = ir.tensor(np.array(705.0, np.float32), name=limit.name)
        return cuts

    monkeypatch.setattr(cut_projection, "cut_projection", wrong)
    ran = bake(FISHEYE4)
    assert ran.code == (1 if where == "axes" else 4), ran.err


def test_a_proof_that_cannot_fail_is_none(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    """If turned cameras change no output of the cut model, its comparison with the user's shows nothing."""
    from specialize.compiler import bake as baking

    right = baking._own_points
    first: list[CalibrationProfile] = []

    def same(reference, base, baked, profile):
        first.append(profile)
        return right(reference, base, baked, first[0])

    monkeypatch.setattr(baking, "_own_points", same)
    ran = bake(FISHEYE4)
    assert ran.code == 4 and "outputs that change when cameras turn" in ran.err


def test_builds_with_and_without_lenses_have_other_keys(bake: Bake, tmp_path: Path) -> None:
    """The same rig and model, baked twice: the second time there is nothing to do."""
    assert bake(FISHEYE4).code == 0
    again = bake(FISHEYE4)
    assert again.code == 0 and "up to date" in again.out
    profile: CalibrationProfile = load_profile(FISHEYE4)
    assert profile.digest == Build.intact(tmp_path / "build").manifest.digests.profile
