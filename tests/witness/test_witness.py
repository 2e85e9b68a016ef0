"""The witness and the compiler's own geometry, each written on its own, say the same of every rig."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize import zoo
from specialize.calibration.document import parse_document
from specialize.calibration.load import load_profile, parse_profile
from specialize.errors import InputError
from specialize.files.resources import resource_dir
from specialize.model.kinds import KINDS as BOUND
from specialize.model.kinds import cut
from specialize.model.parts import LensSpec
from specialize.model.spec import InputKind, ModelSpec
from specialize.model.visible import visible_sets
from specialize.witness.inputs import NAMES, Fed, compare, matrices_of
from specialize.witness.rig import (
    Grid,
    Preparation,
    Rig,
    Sidecar,
    Wanted,
    parse_rig,
    read_rig,
    rig_of,
    sidecar_of,
)
from specialize.witness.sight import network_from_lidar, pairs, sight
from tests import strategies
from tests.shared_files import calibrations, profile_document

PACKAGED = sorted(resource_dir("calib_profiles").rglob("*.yaml"))
SPEC = zoo.spec("bevformer_tiny")


def sidecar(spec: ModelSpec, cameras: int) -> Sidecar:
    """Return what the witness reads in the text of a sidecar."""
    return sidecar_of(yaml.safe_load(spec.to_text()), cameras)


def require_same_sets(rig: Rig, spec: ModelSpec, document: object) -> int:
    """Check plan against witness for every grid; return the pairs that rounding decides."""
    profile = parse_profile(document, rig.vehicle)
    own = sidecar(spec, len(rig.eyes))
    doubtful = 0
    for plan, grid in zip(visible_sets(spec, profile), own.grids, strict=True):
        found = pairs(network_from_lidar(rig, own), own, grid)
        assert not (found.surely & ~plan.seen).any() and not (plan.seen & ~found.possibly).any()
        assert not (found.surely & ~plan.superset).any() and not (plan.certain & ~found.possibly).any()
        doubtful += int((found.possibly & ~found.surely).sum())
    return doubtful


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_packaged_profiles_give_the_same_matrices(path: Path) -> None:
    """Every spelling that the packaged profiles use gives the same matrices to the last digits."""
    rig, profile = read_rig(path), load_profile(path)
    assert tuple(eye.name for eye in rig.eyes) == profile.camera_names()
    raw = any(camera.is_raw for camera in profile.cameras)
    for kind in ("lidar2cam", "cam2lidar") if raw else ("lidar2img", "img2lidar"):
        expected = _fed_with(kind).calibration_arrays(profile)["m"]
        found = matrices_of(kind, rig, sidecar(SPEC, len(rig.eyes)))
        assert found is not None
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_a_tab_between_numbers_is_read_by_both() -> None:
    """What the loader takes for a blank, the witness does as well."""
    path = resource_dir("calib_profiles") / "car42.yaml"
    text = path.read_text().replace("[1253.33, 0.00, 808.40]", "[1253.33, 0.00, 808.40\t]")
    profile = parse_profile(parse_document(text, "p.yaml"), "p.yaml")
    assert profile.digest == load_profile(path).digest
    assert np.array_equal(parse_rig(text).eyes[0].image_from_lidar, read_rig(path).eyes[0].image_from_lidar)


def _fed_with(kind: str) -> ModelSpec:
    return ModelSpec(image=SPEC.image, calibration_inputs={"m": kind})


@pytest.mark.parametrize("stride", [1.0, 8.0])
@pytest.mark.parametrize("kind", BOUND)
def test_every_kind_is_the_same_matrix(kind: str, stride: float) -> None:
    """Each kind is what the model is fed, in every shape that it may have; the witness knows today's kinds."""
    assert kind in NAMES, f"teach {kind} to specialize/witness/inputs.py"
    if stride != 1.0 and not BOUND[kind].pixels:
        return
    path = resource_dir("calib_profiles") / "car42.yaml"
    image, wanted = zoo.spec("bevfusion_camera").image, InputKind(kind=kind, stride=stride)
    lens = LensSpec(model="pinhole") if "lens" in kind else None
    spec = ModelSpec(image=image, calibration_inputs={"m": wanted}, cameras=SPEC.cameras, lens=lens)
    rig, own = read_rig(path), sidecar(spec, 6)
    assert own.inputs["m"] == Wanted(kind, stride)
    matrices = spec.calibration_arrays(load_profile(path))["m"]
    for form in BOUND[kind].forms:
        fed = cut(kind, matrices, (1, 6, *form))
        assert fed is not None
        for dtype, least in ((np.float64, 1e-11), (np.float32, 1e-6)):
            found = compare(fed[None].astype(dtype), own.inputs["m"], rig, own)
            assert isinstance(found, Fed) and found.agrees and found.deviation < least
        if BOUND[kind].shared or len(np.unique(fed, axis=0)) == 1:
            continue
        swapped = compare(fed[None][:, [1, 0, 2, 3, 4, 5]].astype(np.float32), own.inputs["m"], rig, own)
        assert isinstance(swapped, Fed) and not swapped.agrees and swapped.camera in (0, 1)


def test_a_matrix_per_token_is_compared_token_by_token() -> None:
    """Each camera's matrix as often as the sidecar says, in a row; one token of another camera is found."""
    path = resource_dir("calib_profiles") / "car42.yaml"
    wanted = InputKind(kind="img2lidar", repeat=3)
    spec = ModelSpec(image=SPEC.image, calibration_inputs={"m": wanted}, cameras=SPEC.cameras)
    rig, own = read_rig(path), sidecar(spec, 6)
    assert own.inputs["m"] == Wanted("img2lidar", repeat=3)
    fed = cut("img2lidar", spec.calibration_arrays(load_profile(path))["m"], (1, 18, 4, 4), 3)
    assert fed is not None
    found = compare(fed[None].astype(np.float32), own.inputs["m"], rig, own)
    assert isinstance(found, Fed) and found.agrees
    fed[13] = fed[0]
    found = compare(fed[None].astype(np.float32), own.inputs["m"], rig, own)
    assert isinstance(found, Fed) and not found.agrees and found.camera == 4


def test_a_kind_that_is_not_known_is_not_witnessed() -> None:
    """A kind of input that the witness does not compute gives nothing, and neither does a pose from a bare matrix."""
    document = {"name": "c", "size_px": [8, 6], "lidar2img": np.diag([4.0, 4, 1, 1]).tolist()}
    rig = rig_of({"vehicle": "v", "cameras": [document]})
    own = Sidecar((Preparation((8, 6)),), (), 1e-5, {})
    assert matrices_of("something_new", rig, own) is None
    assert matrices_of("lidar2cam", rig, own) is None
    assert matrices_of("lidar2img", rig, own) is not None


def test_numbers_are_read_as_the_profile_reads_them(tmp_path: Path) -> None:
    """`1e3` and `010` are numbers here as for the loader, null is absent, and tolerances fall back to the vehicle's."""
    path = tmp_path / "v.yaml"
    path.write_text(
        "schema: specialize/profile@1\nvehicle: v\ntolerance: {rotation_deg: 5e-1, translation_m: 1e-2}\n"
        "lidar2ego: {rotation_wxyz: [1, 0, 0, 0], translation_m: [010, 0, 2e0]}\ncameras:\n"
        "- name: c\n  size_px: [1600, 900]\n  intrinsic: [[1e3, 0, 800], [0, 1e3, 450], [0, 0, 1]]\n"
        "  sensor2ego: {rotation_wxyz: [0.5, -0.5, 0.5, -0.5], translation_m: [1, 0, 1.5]}\n"
        "  tolerance: {rotation_deg: 1, focal_percent: ~}\n  time_offset_s: null\n"
    )
    rig, profile = read_rig(path), load_profile(path)
    np.testing.assert_allclose(rig.eyes[0].image_from_lidar, profile.image_from_lidar()[0], atol=1e-9)
    assert rig.eyes[0].tolerance == {"rotation_deg": 1.0, "translation_m": 0.01}
    assert rig.eyes[0].time_offset_s == 0.0


def test_a_pose_on_the_vehicle_needs_the_lidars() -> None:
    """A camera on the vehicle cannot be witnessed without the lidar's own pose."""
    pose = {"rotation_wxyz": [1, 0, 0, 0], "translation_m": [0, 0, 0]}
    camera = {"name": "c", "size_px": [8, 6], "intrinsic": np.eye(3).tolist(), "sensor2ego": pose}
    with pytest.raises(InputError, match="lidar2ego"):
        rig_of({"vehicle": "v", "cameras": [camera]})


@pytest.mark.parametrize(
    ("shape", "anchors"), [((6, 8), 1), ((6, 8), 2), ((50, 50), 4), ((3, 4, 5), 1), ((1, 1), 3)]
)
def test_grids_stand_where_the_plan_puts_them(shape: tuple[int, ...], anchors: int) -> None:
    """Points of pillars and of voxels are the plan's, in the plan's order."""
    from specialize.visibility.grid import QueryGrid

    box = (-20.0, -15.0, -2.0, 24.0, 15.5, 1.0)
    np.testing.assert_allclose(
        Grid(shape, box, anchors).points(), QueryGrid(shape, box, anchors).points(), rtol=0, atol=1e-13
    )


def test_the_border_is_outside() -> None:
    """A point on a border of the image or at the least depth is not surely seen, and rounding may decide it."""
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    points = np.array([[4.0, 3, 1], [0, 3, 1], [8, 3, 1], [4, 0, 1], [4, 6, 1], [-1, 3, 1], [4, 3, -1]])
    found = sight(matrix, points, (8, 6), 1e-5)
    assert found.surely.tolist() == [True] + [False] * 6
    assert found.possibly.tolist() == [True] * 5 + [False] * 2
    assert found.outside_px[:6].tolist() == [-3.0, 0.0, 0.0, 0.0, 0.0, 1.0] and np.isinf(found.outside_px[6])


@settings(max_examples=60)
@given(rig=strategies.rigs(), data=st.data())
def test_random_rigs_see_the_same(rig: strategies.Rig, data: st.DataObject) -> None:
    """For cameras in any pose the plan and the witness differ only where rounding may decide."""
    from specialize.model.parts import ImagePrep
    from specialize.model.spec import GridSpec

    scale = data.draw(st.sampled_from([1.0, 0.5, 0.44]))
    size = (int(rig.size_px[:, 0].max()), int(rig.size_px[:, 1].max()))
    spec = ModelSpec(
        image=ImagePrep(size_px=size, scale=scale, crop_px=(3.0, 5.0)),
        calibration_inputs={"lidar2img": "lidar2img"},
        grids=(
            GridSpec(shape=(9, 7), range_m=(-30.0, -31.0, -3.0, 30.0, 32.0, 2.0), anchors=3),
            GridSpec(shape=(2, 5, 6), range_m=(-8.0, -9.0, -3.0, 8.5, 9.0, 2.0)),
        ),
    )
    cameras = [
        {
            "name": f"c{index}",
            "size_px": [int(side) for side in rig.size_px[index]],
            "intrinsic": rig.intrinsic[index].tolist(),
            "lidar2cam": rig.camera_from_lidar[index].tolist(),
        }
        for index in range(len(rig))
    ]
    document = {"schema": "specialize/profile@1", "vehicle": "v", "cameras": cameras}
    require_same_sets(rig_of(document), spec, document)


@pytest.mark.parametrize("model", ["bevformer_tiny", "bevformer_base", "surroundocc"])
def test_real_rigs_see_the_same(model: str) -> None:
    """The real rigs, read where they stand, are seen alike by plan and witness; rounding decides few pairs."""
    spec, decided, every = zoo.spec(model), 0, calibrations()
    for path in every if model == "bevformer_tiny" else every[::8]:
        document = profile_document(path)
        decided += require_same_sets(rig_of(document), spec, document)
    assert decided < 2000 and len(every) > 50


@pytest.mark.parametrize("size", ["[1600.0, 900]", "[1.6e3, 9.0e2]"])
def test_a_size_may_be_spelled_as_a_number_with_a_point(size: str) -> None:
    """The loader reads it as a whole number, and so does the witness."""
    text = (resource_dir("calib_profiles") / "car42.yaml").read_text(encoding="utf-8")
    assert parse_rig(text.replace("[1600, 900]", size)).eyes[0].size_px == (1600, 900)
