"""A camera that is off sees nothing around the vehicle, through every lens, and says that it is off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.lens import lens_of
from specialize.calibration.lint.rules import lint
from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, is_off, off_name, without
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError
from specialize.files.resources import resource_dir

PROFILES = sorted(resource_dir("calib_profiles").glob("*.yaml"))
CAR42 = resource_dir("calib_profiles") / "car42.yaml"


def points_around(reach_m: float = 200.0) -> np.ndarray:
    """Return points (P, 3) around the lidar, above, below and beside it."""
    points: np.ndarray = np.random.default_rng(3).uniform(-reach_m, reach_m, (20_000, 3))
    return points


def sees(camera: Camera) -> bool:
    """Return whether a camera's image shows any point around the lidar."""
    pixels, valid = camera.project(points_around())
    inside = (pixels >= 0) & (pixels < (camera.width_px, camera.height_px))
    return bool((valid & inside.all(axis=-1)).any())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_it_sees_nothing_and_the_others_are_untouched(path: Path) -> None:
    """Of every rig, with matrices and with lenses."""
    profile = load_profile(path)
    off, *others = profile.camera_names()
    degraded = without(profile, (off,))
    assert sees(profile.camera(off)), "the check can fail"
    assert not sees(degraded.camera(off))
    assert cameras_off(degraded) == (off,)
    for name in others:
        assert degraded.camera(name) is profile.camera(name)


def test_a_bare_matrix_is_taken_off_too() -> None:
    """Its focal length stays."""
    camera = load_profile(CAR42).cameras[0]
    bare = Camera.projective(camera.name, (camera.width_px, camera.height_px), camera.image_from_lidar)
    other = Camera.projective("other", (camera.width_px, camera.height_px), camera.image_from_lidar)
    off = without(CalibrationProfile("bare", (bare, other)), (camera.name,)).cameras[0]
    assert is_off(off)
    assert not sees(off)
    assert np.allclose(off.as_pinhole().intrinsic, camera.as_pinhole().intrinsic)


def test_the_profile_says_so_and_comes_back_from_its_file(tmp_path: Path) -> None:
    """The digest is another one, and the same after a round trip; taking off twice changes nothing."""
    profile = load_profile(CAR42)
    degraded = without(profile, ("CAM_BACK",))
    path = tmp_path / "degraded.yaml"
    path.write_text(dump_profile(degraded))
    again = load_profile(path)
    assert profile.digest != degraded.digest == again.digest == without(again, ("CAM_BACK",)).digest
    assert cameras_off(again) == ("CAM_BACK",)
    assert without(profile, ()) is profile


def test_only_what_is_off_is_found() -> None:
    """The pose of a camera that is off is no mistake, and two that are off are no twins."""
    whole = {finding.code for finding in lint(load_profile(CAR42))}
    findings = lint(without(load_profile(CAR42), ("CAM_BACK_LEFT", "CAM_BACK_RIGHT")))
    named = dict.fromkeys((one.code, one.camera) for one in findings if one.code not in whole)
    assert list(named) == [
        ("camera-off", "CAM_BACK_LEFT"),
        ("camera-off", "CAM_BACK_RIGHT"),
        ("blind-sector", ""),
    ]


def test_unknown_cameras_and_all_of_them_are_refused() -> None:
    """The error suggests the closest name; a vehicle without cameras is none."""
    profile = load_profile(CAR42)
    with pytest.raises(UsageError, match="did you mean 'CAM_BACK'"):
        without(profile, ("CAM_BAK",))
    with pytest.raises(UsageError, match="got all 6"):
        without(profile, profile.camera_names())
    with pytest.raises(UsageError, match="got all 6"):
        without(without(profile, profile.camera_names()[:5]), profile.camera_names()[5:])


def test_a_lens_that_sees_what_is_behind_it_is_refused() -> None:
    """It would see the vehicle from ten kilometres away; with the angle that its image shows it can be taken off."""
    focal = {"fx": 300.0, "fy": 300.0, "cx": 960.0, "cy": 960.0}
    profile = load_profile(CAR42)
    pose = profile.cameras[0].as_pinhole().camera_from_lidar

    def rig(limit_rad: float | None) -> CalibrationProfile:
        lens = lens_of("kannala_brandt", focal, max_angle_rad=limit_rad)
        return CalibrationProfile(
            "round", (Camera.through("ALL", (1920, 1920), lens, pose), *profile.cameras)
        )

    with pytest.raises(InputError, match="up to 180 degrees"):
        without(rig(None), ("ALL",))
    assert cameras_off(without(rig(1.7), ("ALL",))) == ("ALL",)


def test_a_name_tells_them_apart() -> None:
    """Whole and degraded builds lie beside each other."""
    assert off_name("car42", ()) == "car42"
    assert off_name("car42", ("LEFT", "REAR")) == "car42-without-LEFT-REAR"
