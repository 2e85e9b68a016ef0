"""Fit of many vehicles at once: whoever passes fits by the rules, whoever does not fit does not pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize import zoo
from specialize.calibration.camera import Camera
from specialize.calibration.load import parse_profile
from specialize.calibration.many import Alike
from specialize.calibration.off import without
from specialize.calibration.pose import rigid, rotation_from_rpy
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import write_table
from specialize.calibration.table_many import read_alike
from specialize.model.many import arrays_of_many, feeds_many, rig_of_many
from specialize.model.parts import ImagePrep, PointsSpec
from specialize.model.spec import ModelSpec
from specialize.plausibility.fit import ALL_RULES, NEVER_ALLOWED, fits, look_over
from specialize.plausibility.many import ERRORS, surely_fit
from tests.calibration.rig_blunders import BLUNDERS
from tests.calibration.test_many import several
from tests.calibration.wrong_rigs import CAR42, bare
from tests.shared_files import calibrations, profile_document

TINY, BASE = zoo.spec("bevformer_tiny"), zoo.spec("bevformer_base")
CROPPED = msgspec.structs.replace(
    TINY, image=ImagePrep(size_px=(704, 256), scale=0.44, crop_px=(0.0, 140.0), raw_size_px=(1600, 900))
)
FORWARD = msgspec.structs.replace(TINY, points=PointsSpec(x="forward", origin="ego"), cameras=())


def groups(profiles: list[CalibrationProfile], folder: Path) -> list[Alike]:
    """Return profiles as vehicles that are alike."""
    write_table(profiles, folder / "fleet.parquet")
    return [alike for alike, _ in read_alike(folder / "fleet.parquet", 0).parts]


def passing(profiles: list[CalibrationProfile], spec: ModelSpec, folder: Path, *allow: str) -> set[str]:
    """Return the names of the vehicles that surely fit."""
    names: set[str] = set()
    for alike in groups(profiles, folder):
        if feeds_many(spec, alike):
            names |= set(alike.names[surely_fit(rig_of_many(spec, alike), spec, allow)])
    return names


def moved(
    profile: CalibrationProfile, rng: np.random.Generator, metres: float, radians: float
) -> CalibrationProfile:
    """Return a vehicle whose cameras are off at random."""
    cameras = []
    for camera in profile.cameras:
        roll, pitch, yaw = (float(angle) for angle in rng.normal(size=3) * radians)
        off = rigid(rotation_from_rpy(roll, pitch, yaw), rng.normal(size=3) * metres)
        assert camera.intrinsic is not None and camera.camera_from_lidar is not None
        pose = off @ camera.camera_from_lidar
        size = (camera.width_px, camera.height_px)
        cameras.append(Camera.pinhole(camera.name, size, camera.intrinsic, pose))
    return dataclasses.replace(profile, cameras=tuple(cameras))


@pytest.mark.parametrize("spec", [TINY, BASE, CROPPED, FORWARD], ids=["tiny", "base", "cropped", "forward"])
@pytest.mark.parametrize("blunder", BLUNDERS)
def test_no_mistake_passes(tmp_path: Path, blunder: str, spec: ModelSpec) -> None:
    """A rig with an error never passes; mistakes that are warnings may."""
    profile = BLUNDERS[blunder][0]
    if not fits(profile, spec):
        assert not passing(several([profile]), spec, tmp_path)


@pytest.mark.parametrize("spec", [TINY, BASE, CROPPED], ids=["tiny", "base", "cropped"])
def test_usual_vehicles_pass(tmp_path: Path, spec: ModelSpec) -> None:
    """Cars of one kind that are off by millimetres all pass without being looked at one by one."""
    rng = np.random.default_rng(5)
    vehicles = [dataclasses.replace(moved(CAR42, rng, 0.003, 0.003), vehicle=f"car {n}") for n in range(40)]
    assert len(passing(vehicles, spec, tmp_path)) == 40
    matrices = [dataclasses.replace(bare(one), vehicle=one.vehicle) for one in vehicles]
    assert len(passing(matrices, spec, tmp_path)) == 40


@pytest.mark.parametrize("metres, radians", [(0.05, 0.05), (1.0, 0.4), (6.0, 2.0)])
def test_whoever_passes_fits(tmp_path: Path, metres: float, radians: float) -> None:
    """Random rigs from slightly off to any pose: no error is missed."""
    rng = np.random.default_rng(11)
    vehicles = [
        dataclasses.replace(moved(CAR42, rng, metres, radians), vehicle=f"car {n}") for n in range(60)
    ]
    free = [dataclasses.replace(one, ego_from_lidar=None, vehicle=f"free {one.vehicle}") for one in vehicles]
    for spec in (TINY, CROPPED, FORWARD):
        passed = passing(vehicles + free, spec, tmp_path)
        assert passed <= {one.vehicle for one in vehicles + free if fits(one, spec)}


def test_real_rigs_that_pass_fit(tmp_path: Path) -> None:
    """Real rigs, with a model for their images: whoever passes fits, and many pass."""
    rigs = [parse_profile(profile_document(path), str(path)) for path in calibrations()[::5]]
    images = ImagePrep(size_px=(1600, 928))
    spec = msgspec.structs.replace(BASE, image=images, points=None, cameras=())
    vehicles = several(rigs)
    passed = passing(vehicles, spec, tmp_path)
    assert passed <= {one.vehicle for one in vehicles if fits(one, spec)}
    assert len(passed) > len(vehicles) // 4


def test_allowed_errors_are_not_asked_about(tmp_path: Path) -> None:
    """What a user allows lets every vehicle pass, and allows nothing else."""
    far = next(one for one, code, *_ in BLUNDERS.values() if code == "centre-far")
    found = {one.code for one in look_over(far, TINY) if one.severity == "error"}
    assert found and not passing(several([far]), TINY, tmp_path)
    assert passing(several([far]), TINY, tmp_path, *found)


def test_a_vehicle_whose_camera_is_off_is_looked_at_alone(tmp_path: Path) -> None:
    """Whatever is allowed: a model that attends to all pixels would use that camera's image."""
    allowed = {*ERRORS} - {"off-but-used"}
    assert passing(several([CAR42]), TINY, tmp_path, *allowed)
    assert not passing(several([without(CAR42, ("CAM_BACK",))]), TINY, tmp_path, *allowed)


def test_every_rule_is_thought_of() -> None:
    """Every rule either may report an error, and has a test, or never does: a new rule must be put in one of both."""
    never_errors = {
        "below-ground", "blind-sector", "camera-off", "camera-rolled", "centre-zero", "field-of-view",
        "ground-unseen", "guessed",
        "lens-distortion", "lens-fold", "lens-no-content", "name-heading", "pixel-aspect",
        "projection-scale", "wide-pinhole",
    }  # fmt: skip
    of_graphs = {"input-kind", "kind-open", "mask-differs", "mask-empty", "image-size"}
    assert {*ERRORS, *NEVER_ALLOWED} | never_errors | of_graphs == set(ALL_RULES)
    assert not {*ERRORS, *NEVER_ALLOWED} & never_errors


@pytest.mark.parametrize("name", sorted(zoo.MODELS))
def test_models_are_fed_the_same_bits(tmp_path: Path, name: str) -> None:
    """What a model is fed of many vehicles is what it is fed of each, for every shipped model that allows it."""
    spec = zoo.spec(name)
    rng = np.random.default_rng(2)
    vehicles = [dataclasses.replace(moved(CAR42, rng, 0.01, 0.01), vehicle=f"car {n}") for n in range(5)]
    for alike in groups(vehicles, tmp_path):
        if not feeds_many(spec, alike):
            assert spec.lens is not None or not spec.calibration_inputs
            continue
        rig = rig_of_many(spec, alike)
        arrays = arrays_of_many(spec, rig)
        for index, one in enumerate(vehicles):
            for key, expected in spec.calibration_arrays(one).items():
                assert np.array_equal(arrays[key][index], expected)
            assert np.array_equal(rig.network_from_lidar[index], spec.network_from_lidar(one))
