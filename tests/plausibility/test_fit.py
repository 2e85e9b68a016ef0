"""Calibrations that do not fit a model: found by values as well as by names, and refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize import zoo
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile, parse_profile
from specialize.errors import InputError, UsageError
from specialize.files.resources import resource_dir
from specialize.model.baked import with_lenses
from specialize.model.parts import ImagePrep, PointsSpec
from specialize.model.spec import ModelSpec
from specialize.plausibility.fit import ALL_RULES, NEVER_ALLOWED, look_over, require_fit, require_known_codes
from tests.calibration.lint.test_rules import ON_GROUND, X_AXIS
from tests.calibration.rig_blunders import BLUNDERS
from tests.calibration.wrong_rigs import CAR42, everywhere, inverse, resized, turned
from tests.cli.running import run_here
from tests.shared_files import calibrations, profile_document, raw_calibration

TINY = zoo.spec("bevformer_tiny")


def codes(profile: object, spec: ModelSpec = TINY, severity: str = "error") -> set[str]:
    """Return the codes of what is found, of one severity."""
    found = look_over(profile, spec)  # type: ignore[arg-type]
    return {finding.code for finding in found if finding.severity == severity}


WIDE_RIGS = {"mei": "fisheye4.yaml", "ftheta": "ftheta4.yaml"}
"""A rig for every lens of a shipped model."""


@pytest.mark.parametrize("name", sorted(zoo.MODELS))
def test_shipped_models_state_what_they_expect_and_nuscenes_cars_fit(name: str) -> None:
    """Raw size and points' frame are in every shipped sidecar with a calibration; car42 fits all of them."""
    spec = zoo.spec(name)
    if name == "bevformer_tiny_wide":  # for raw images, with lenses baked in
        fisheyes = load_profile(resource_dir("calib_profiles") / "fisheye4.yaml")
        assert look_over(fisheyes, with_lenses(spec)) == () and codes(fisheyes, spec) == {"lens-not-in-model"}
        return
    if spec.lens is not None:
        wide = load_profile(resource_dir("calib_profiles") / WIDE_RIGS[spec.lens.model])
        assert spec.points is not None and look_over(wide, spec) == ()
        return
    assert spec.image.raw_size_px == (1600, 900)
    assert (spec.points is not None) == bool(spec.calibration_inputs)
    if spec.calibration_inputs:
        assert spec.points == PointsSpec(x="right", origin="lidar", height_m=(1.3, 2.4))
    assert look_over(CAR42, spec) == ()


def test_real_rigs_fit_a_sensible_model() -> None:
    """No rig of a real vehicle gives an error for a model that was made for such a vehicle."""
    for path in calibrations():
        profile = parse_profile(profile_document(path), str(path))
        stated = raw_calibration(path).get("lidar2ego")
        grounded = path.stem.startswith(ON_GROUND)
        images = tuple(
            ImagePrep(
                size_px=(-(-c.width_px // 64) * 32, -(-c.height_px // 64) * 32),
                scale=0.5,
                raw_size_px=(c.width_px, c.height_px),
            )
            for c in profile.cameras
        )
        points = PointsSpec(
            x=X_AXIS.get(path.stem.partition("_")[0], "forward"),
            origin="ego" if grounded else "lidar",
            height_m=None if grounded else (1.3, 2.4),
        )
        spec = msgspec.structs.replace(TINY, images=images, points=points, cameras=profile.camera_names())
        poses = [None] if stated is None else [None, np.array(stated)]
        for pose in poses:
            assert codes(dataclasses.replace(profile, ego_from_lidar=pose), spec) == set(), path.stem


def test_a_camera_that_sees_nothing_is_an_error_and_its_cause_is_told() -> None:
    """Cameras under the sky see no query; that follows from how they are turned."""
    found = look_over(everywhere(turned(0, -66)), TINY)
    assert {"camera-pitch", "nothing-seen"} <= {one.code for one in found if one.severity == "error"}
    assert codes(everywhere(inverse)) >= {"extrinsic-inverted"}


@pytest.mark.parametrize(
    ("image", "wanted", "told"),
    [
        (ImagePrep(size_px=(160, 96), scale=0.2), "error", "a scale 0.5 times as large would explain it"),
        (ImagePrep(size_px=(800, 480), scale=0.125), "warning", "a scale 4 times as large would explain it"),
        (ImagePrep(size_px=(704, 256), scale=0.44), "warning", "of the surroundings that the lens sees"),
    ],
    ids=["twice the scale", "quarter of the scale", "crop forgotten"],
)
def test_a_wrong_preparation_shows_in_what_the_network_sees(image: ImagePrep, wanted: str, told: str) -> None:
    """By values alone: the network sees other surroundings than the lens, and what would explain it is named."""
    found = [
        one
        for one in look_over(CAR42, msgspec.structs.replace(TINY, image=image))
        if one.code == "view-share"
    ]
    assert found and {one.severity for one in found} == {wanted}
    assert told in found[0].message


def test_errors_are_told_by_cause_and_can_be_allowed() -> None:
    """One raw size of six cameras is one error; its code lets it pass, as a warning that says so."""
    with pytest.raises(InputError, match="1 error:\n  error raw-size: all 6 cameras: the raw image is 1920"):
        require_fit(resized(1920, 1280), TINY, (), "car.yaml")
    fit = require_fit(resized(1920, 1280), TINY, ("raw-size",), "car.yaml")
    assert any(warning.startswith("allowed error raw-size: all 6 cameras") for warning in fit.warnings)
    require_known_codes(tuple(code for code in ALL_RULES if code not in NEVER_ALLOWED))
    with pytest.raises(UsageError, match="did you mean 'raw-size'"):
        require_known_codes(("raw_size",))


def test_raw_images_of_a_lens_cannot_be_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of matrices has none for them: the option is refused at once, and no error offers it."""
    profile = resource_dir("calib_profiles") / "fisheye4.yaml"
    for command, *rest in (("plan", "-o", tmp_path / "plan.npz"), ("build", "--output", tmp_path / "build")):
        ran = run_here(
            capsys,
            command,
            "--calib",
            profile,
            "--model",
            "bevformer_tiny",
            "--allow",
            "lens-not-in-model",
            *rest,
        )
        assert ran.code == 2 and "give it as `intrinsic:` beside the `lens`" in ran.err
    with pytest.raises(InputError) as refused:
        require_fit(load_profile(profile), TINY, ("lens-not-in-model",), "car.yaml")
    assert "lens-not-in-model" in str(refused.value) and "--allow" not in str(refused.value)


REFUSED = {
    "other raw size": "raw-size",
    "width and height swapped": "raw-size",
    "all in body axes": "camera-axes",
    "other order": "camera-order",
    "swapped sides": "camera-swapped",
    "x forward": "points-forward",
    "lidar below the ground": "lidar-underground",
    "positions mirrored": "positions-mirrored",
    "w last": "quaternion-order",
    "millimetres": "centre-far",
}


@pytest.mark.parametrize("blunder", REFUSED)
def test_a_plan_of_a_calibration_that_does_not_fit_is_refused(
    blunder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 with the finding, no file; with everything allowed the plan is written, with warnings."""
    path, output = tmp_path / "car.yaml", tmp_path / "plan.npz"
    path.write_text(dump_profile(BLUNDERS[blunder][0]))
    ran = run_here(capsys, "plan", "--calib", path, "-o", output)
    assert ran.code == 1 and f"error {REFUSED[blunder]}: " in ran.err
    assert not output.exists()
    checked = run_here(capsys, "profile", "check", path, "--model", "bevformer_tiny", "--json")
    assert checked.code == 1
    findings = json.loads(checked.out)["files"][0]["findings"]
    assert REFUSED[blunder] in {one["code"] for one in findings}
    assert all(one["cause"] for one in findings)
    allowed = [word for code in {one["code"] for one in findings} for word in ("--allow", code)]
    ran = run_here(capsys, "plan", "--calib", path, "-o", output, *allowed)
    assert ran.code == 0 and "warning: allowed error " in ran.err
    assert "warning: error" not in ran.err
    assert output.exists()


def test_commands_that_export_refuse_before_they_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`build`, `flops` and `compare` never reach the store, which no test may use by default."""
    path = tmp_path / "car.yaml"
    path.write_text(dump_profile(BLUNDERS["other order"][0]))
    for command in ("build", "flops", "compare"):
        ran = run_here(capsys, command, "--calib", path)
        assert ran.code == 1 and "error camera-order: the order is" in ran.err, command
    assert load_profile(path).camera_names() == CAR42.camera_names()[::-1]
